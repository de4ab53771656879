"""Concurrent changes of one account: a change based on outdated data is refused."""

import threading

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import Permission
from django.contrib.auth.tokens import default_token_generator
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.http import urlsafe_base64_encode

from accounts.models import User
from accounts.tests.sessions import CHANGE_PASSWORD, ME, assert_refused, login
from accounts.views import MeView
from conftest import PASSWORD, ApiClient

NEW_EMAIL = {"email": "new@example.com", "password": PASSWORD}


@pytest.fixture
def while_hashing(transactional_db, monkeypatch):
    """Return a function that makes `call`, and runs `change` on another connection after the password check."""

    def run(call, change):
        verify, changed = MD5PasswordHasher.verify, []

        def changing():
            change()
            connection.close()

        def verify_then_change(self, password, encoded):
            correct = verify(self, password, encoded)
            if not changed:
                changed.append(True)
                thread = threading.Thread(target=changing)
                thread.start()
                thread.join()
            return correct

        monkeypatch.setattr(MD5PasswordHasher, "verify", verify_then_change)
        response = call()
        monkeypatch.undo()
        assert changed
        return response

    return run


def new_password(user, password="the owner's new one"):
    changed = User.objects.get(pk=user.pk)
    changed.set_password(password)
    changed.save()


def deactivate(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(client):
    return client.post(CHANGE_PASSWORD, {"old_password": PASSWORD, "new_password": "the thief's new one"})


def test_of_two_concurrent_password_changes_one_succeeds(race, owner):
    bodies = [{"old_password": PASSWORD, "new_password": f"new password {number}"} for number in range(4)]

    responses = race(*(lambda body=body: owner.post(CHANGE_PASSWORD, body) for body in bodies))

    statuses = [response.status_code for response in responses]
    assert sorted(statuses) == [200, 401, 401, 401]
    assert User.objects.get().check_password(f"new password {statuses.index(200)}")


def test_a_password_that_was_changed_meanwhile_is_not_overwritten(owner, while_hashing):
    response = while_hashing(lambda: change_password(owner), lambda: new_password(owner.user))

    assert_refused(response)
    assert User.objects.get().check_password("the owner's new one")


@pytest.mark.parametrize("change", [new_password, deactivate])
@pytest.mark.parametrize(
    "request_of",
    [lambda client: client.patch(ME, NEW_EMAIL), change_password, login],
    ids=["email", "password", "login"],
)
def test_an_account_that_was_changed_meanwhile_stays_as_it_is(owner, while_hashing, request_of, change):
    response = while_hashing(lambda: request_of(owner), lambda: change(owner.user))

    assert_refused(response)
    stored = User.objects.get()
    assert stored.email == "olive.owner@example.com"
    assert stored.last_login is None
    assert not stored.check_password("the thief's new one")


def test_staff_do_not_overwrite_their_password_that_was_changed_meanwhile(staff, while_hashing):
    browser = Client()
    browser.force_login(staff.user)
    form = {"old_password": PASSWORD, "new_password1": "the thief's new one", "new_password2": "the thief's new one"}

    response = while_hashing(
        lambda: browser.post(reverse("admin:password_change"), form), lambda: new_password(staff.user)
    )

    assert response.status_code == 403
    assert User.objects.get().check_password("the owner's new one")


@pytest.fixture
def before_storing(monkeypatch):
    """Return a function that makes `change` run before a new password is hashed and stored."""

    def arrange(change):
        encode = MD5PasswordHasher.encode

        def change_and_encode(*args):
            change()
            return encode(*args)

        monkeypatch.setattr(MD5PasswordHasher, "encode", change_and_encode)

    return arrange


@pytest.mark.parametrize("password", [None, "a wrong one", PASSWORD])
def test_an_email_that_was_changed_meanwhile_is_not_reverted_without_the_password(owner, monkeypatch, password):
    update = MeView.perform_update

    def change_and_update(*args):
        User.objects.filter(pk=owner.user.pk).update(email="new@example.com")
        update(*args)

    monkeypatch.setattr(MeView, "perform_update", change_and_update)
    body = {"name": "Thief", "email": owner.user.email} | ({"password": password} if password else {})

    response = owner.patch(ME, body)

    assert_refused(response)
    stored = User.objects.get()
    assert (stored.email, stored.name) == ("new@example.com", "Olive Owner")


def test_of_two_changes_of_the_email_with_the_password_the_later_is_refused(owner, while_hashing):
    response = while_hashing(
        lambda: owner.patch(ME, NEW_EMAIL), lambda: User.objects.update(email="another@example.com")
    )

    assert_refused(response)
    assert User.objects.get().email == "another@example.com"


def test_of_concurrent_changes_of_the_email_none_is_made_without_the_password(race, owner):
    old = owner.user.email
    change = {"email": "new@example.com", "password": PASSWORD}

    responses = race(lambda: owner.patch(ME, change), *[lambda: owner.patch(ME, {"email": old})] * 3)

    assert responses[0].status_code == 200
    assert {response.status_code for response in responses[1:]} <= {200, 400, 401}
    assert User.objects.get().email == "new@example.com"


def test_a_link_to_an_email_that_was_changed_meanwhile_does_not_reset_the_password(owner, before_storing):
    uid, token = urlsafe_base64_encode(str(owner.user.pk).encode()), default_token_generator.make_token(owner.user)
    before_storing(lambda: User.objects.update(email="new@example.com"))

    response = ApiClient().post(
        reverse("auth:password-reset-confirm"), {"uid": uid, "token": token, "new_password": "the thief's new one"}
    )

    assert (response.status_code, list(response.json())) == (400, ["token"])
    assert User.objects.get().password == owner.user.password


def test_staff_do_not_set_the_password_of_a_user_who_became_a_superuser_meanwhile(owner, make_user, before_storing):
    browser = Client()
    clerk = make_user("Carl Clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts"))
    browser.force_login(clerk)
    form = {"usable_password": "true", "password1": "a-long-pass-77", "password2": "a-long-pass-77"}
    before_storing(lambda: User.objects.filter(pk=owner.user.pk).update(is_superuser=True))

    response = browser.post(reverse("admin:auth_user_password_change", args=[owner.user.pk]), form)

    assert response.status_code == 403
    assert User.objects.get(pk=owner.user.pk).password == owner.user.password


def test_staff_change_their_own_password(staff, staff_browser):
    form = {"old_password": PASSWORD, "new_password1": "another password", "new_password2": "another password"}

    response = staff_browser.post(reverse("admin:password_change"), form)

    assert response.headers["Location"] == reverse("admin:password_change_done")
    assert User.objects.get().check_password("another password")
    assert staff_browser.get(reverse("admin:index")).status_code == 200


def test_concurrent_correct_log_ins_do_not_count_as_failures(race, owner, settings):
    settings.LOGIN_FAILURES = 3

    responses = race(*[lambda: login(owner)] * 10)

    assert [response.status_code for response in responses] == [200] * 10
    assert login(owner).status_code == 200


def test_concurrent_correct_and_wrong_log_ins_do_not_lock_the_account(race, owner, settings):
    settings.LOGIN_FAILURES = 5
    passwords = [PASSWORD, "wrong", PASSWORD, "wrong", PASSWORD, PASSWORD]

    responses = race(*(lambda password=password: login(owner, password) for password in passwords))

    assert sorted(response.status_code for response in responses) == [200] * 4 + [401] * 2
    assert login(ApiClient(owner.user)).status_code == 200
