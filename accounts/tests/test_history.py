"""The history of accounts: names, e-mails, activity and rights; never passwords or log-ins."""

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.sessions import CHANGE_PASSWORD, ME, login
from conftest import PASSWORD, ApiClient


def versions(user):
    return list(user.history.order_by("history_id").values_list("history_type", "name", "email", "history_user_id"))


@pytest.fixture
def form(owner):
    """The values of the change form of the owner's account."""
    newest = owner.user.history.latest("history_id")
    return {"name": "Changed", "email": owner.user.email, "is_active": "on", "version": str(newest.pk)}


def test_a_change_of_an_account_adds_a_version_with_its_author(owner):
    owner.patch(ME, {"name": "Olivia", "email": "o@example.com", "password": PASSWORD})

    assert versions(owner.user) == [
        ("+", "Olive Owner", "olive.owner@example.com", None),
        ("~", "Olivia", "o@example.com", owner.user.pk),
    ]


def test_neither_a_log_in_nor_a_new_password_adds_a_version(owner, staff_browser):
    login(owner)
    owner.post(CHANGE_PASSWORD, {"old_password": PASSWORD, "new_password": "another password"})
    passwords = {"usable_password": "true", "password1": "a-long-pass-77", "password2": "a-long-pass-77"}
    staff_browser.post(reverse("admin:auth_user_password_change", args=[owner.user.pk]), passwords)

    owner.user.refresh_from_db()
    assert owner.user.check_password("a-long-pass-77")
    assert len(versions(owner.user)) == 1


def test_the_history_has_no_password():
    assert {"password", "last_login"}.isdisjoint(field.name for field in User.history.model._meta.get_fields())


def test_staff_change_what_they_edit_and_nothing_else(staff, staff_browser, owner, form):
    User.objects.filter(pk=owner.user.pk).update(password="changed meanwhile")

    staff_browser.post(reverse("admin:accounts_user_change", args=[owner.user.pk]), form)

    stored = User.objects.get(pk=owner.user.pk)
    assert (stored.name, stored.password) == ("Changed", "changed meanwhile")
    assert versions(owner.user)[-1] == ("~", "Changed", owner.user.email, staff.user.pk)


def test_staff_do_not_overwrite_a_change_that_they_have_not_seen(staff_browser, owner, form):
    owner.patch(ME, {"email": "new@example.com", "password": PASSWORD})

    page = staff_browser.post(reverse("admin:accounts_user_change", args=[owner.user.pk]), form).content.decode()

    stored = User.objects.get(pk=owner.user.pk)
    assert (stored.name, stored.email) == ("Olive Owner", "new@example.com")
    assert "Someone saved this record after you opened it" in page


def test_saving_an_account_without_a_change_adds_no_version(staff_browser, owner, form):
    staff_browser.post(reverse("admin:accounts_user_change", args=[owner.user.pk]), form | {"name": owner.user.name})

    assert len(versions(owner.user)) == 1


def test_versions_of_accounts_are_shown_but_cannot_be_restored(staff_browser, owner):
    owner.patch(ME, {"name": "Olivia"})
    first = owner.user.history.earliest("history_id")

    listed = staff_browser.get(reverse("admin:accounts_historicaluser_changelist"))
    shown = staff_browser.get(reverse("admin:accounts_historicaluser_change", args=[first.pk]))
    put_back = staff_browser.post(reverse("admin:accounts_historicaluser_put_back", args=[first.pk]))

    assert (listed.status_code, shown.status_code, put_back.status_code) == (200, 200, 403)
    assert ApiClient(owner.user).get(ME).json()["name"] == "Olivia"
