"""Accounts in the admin, and the privileges that only superusers can grant."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from conftest import PASSWORD


def newest_version(user):
    """Return the latest version of an account, as its form submits it."""
    return user.history.latest("history_id").pk


def test_a_user_is_added_with_an_e_mail_and_a_password(staff_browser):
    form = {"name": "New", "email": "new@example.com", "usable_password": "true"}

    staff_browser.post(
        reverse("admin:accounts_user_add"), {**form, "password1": "a-long-pass-77", "password2": "a-long-pass-77"}
    )

    assert User.objects.get(email="new@example.com").check_password("a-long-pass-77")


def test_a_user_with_patients_is_not_deleted(staff_browser, patient):
    staff_browser.post(reverse("admin:accounts_user_delete", args=[patient.user_id]), {"post": "yes"})

    assert User.objects.filter(pk=patient.user_id).exists()


def test_tokens_are_not_in_the_admin(staff_browser):
    assert "oken" not in staff_browser.get(reverse("admin:index")).content.decode().split('id="content-main"')[1]


@pytest.fixture
def clerk(make_user):
    """A staff user who manages accounts and is not a superuser."""
    user = make_user("Clara Clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "add_user", "change_user"]))
    return user


@pytest.fixture
def clerk_browser(clerk):
    browser = Client()
    browser.force_login(clerk)
    return browser


def test_staff_cannot_give_themselves_privileges(clerk_browser, clerk):
    group = Group.objects.create(name="Chiefs")
    every = Permission.objects.values_list("pk", flat=True)
    form = {"name": "Changed", "email": clerk.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    clerk_browser.post(
        reverse("admin:accounts_user_change", args=[clerk.pk]),
        {**form, "version": newest_version(clerk), "groups": [group.pk], "user_permissions": list(every)},
    )

    clerk.refresh_from_db()
    assert (clerk.name, clerk.is_superuser, clerk.groups.count()) == ("Changed", False, 0)
    assert clerk.user_permissions.count() == 3


def test_staff_cannot_make_others_staff(clerk_browser, owner):
    form = {"name": "Changed", "email": owner.user.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    clerk_browser.post(
        reverse("admin:accounts_user_change", args=[owner.user.pk]), form | {"version": newest_version(owner.user)}
    )

    owner.user.refresh_from_db()
    assert (owner.user.name, owner.user.is_staff, owner.user.is_superuser) == ("Changed", False, False)


def test_superusers_give_privileges(staff_browser, owner):
    form = {"name": "Changed", "email": owner.user.email, "is_active": "on", "is_staff": "on"}

    staff_browser.post(
        reverse("admin:accounts_user_change", args=[owner.user.pk]), form | {"version": newest_version(owner.user)}
    )

    owner.user.refresh_from_db()
    assert owner.user.is_staff


@pytest.mark.parametrize("page", ["accounts_user_change", "auth_user_password_change"])
def test_staff_cannot_change_the_account_of_a_superuser(clerk_browser, staff, page):
    form = {"name": "Changed", "email": "taken@example.com", "usable_password": "true"}

    response = clerk_browser.post(
        reverse(f"admin:{page}", args=[staff.user.pk]),
        {**form, "password1": "a-long-pass-77", "password2": "a-long-pass-77"},
    )

    staff.user.refresh_from_db()
    assert response.status_code == 403
    assert staff.user.name == "Stella Staff"
    assert staff.user.check_password(PASSWORD)


def test_staff_set_the_password_of_users_who_are_no_superusers(clerk_browser, owner):
    form = {"usable_password": "true", "password1": "a-long-pass-77", "password2": "a-long-pass-77"}

    clerk_browser.post(reverse("admin:auth_user_password_change", args=[owner.user.pk]), form)

    owner.user.refresh_from_db()
    assert owner.user.check_password("a-long-pass-77")


@pytest.mark.parametrize("given_up", ["is_active", "is_staff", "is_superuser"])
def test_the_last_superuser_cannot_give_up_their_rights(staff_browser, staff, given_up):
    form = {"name": "Changed", "email": staff.user.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    del form[given_up]

    response = staff_browser.post(
        reverse("admin:accounts_user_change", args=[staff.user.pk]), form | {"version": newest_version(staff.user)}
    )

    staff.user.refresh_from_db()
    assert "This is the last superuser" in response.content.decode()
    assert (staff.user.name, getattr(staff.user, given_up)) == ("Stella Staff", True)


def test_one_of_two_superusers_who_concurrently_give_up_their_rights_remains(make_user, race):
    superusers = [make_user(name, is_staff=True, is_superuser=True) for name in ("Sue One", "Sue Two")]

    def give_up(user):
        browser = Client()
        browser.force_login(user)
        form = {"name": user.name, "email": user.email, "is_active": "on", "is_staff": "on"}
        form["version"] = newest_version(user)
        return browser.post(reverse("admin:accounts_user_change", args=[user.pk]), form).status_code

    statuses = race(*(lambda user=user: give_up(user) for user in superusers))

    assert sorted(statuses) == [200, 302]
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1
