"""A deactivation ends all tokens and sessions, also once the account is activated again."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.sessions import ME, assert_refused, login, refresh
from conftest import ApiClient


def version(user):
    """Return the newest version of an account, as its form submits it."""
    return user.history.latest("history_id").pk


@pytest.mark.parametrize("by", ["save", "update_fields", "admin"])
def test_a_deactivation_ends_every_token_and_session_for_good(staff_browser, owner, by):
    tokens = login(owner).json()
    owner.user.is_staff = True
    owner.user.save()
    browser = Client()
    browser.force_login(owner.user)

    for is_active in (False, True):
        if by == "admin":
            form = {"name": "Olive Owner", "email": owner.user.email, "is_staff": "on", "version": version(owner.user)}
            form |= {"is_active": "on"} if is_active else {}
            staff_browser.post(reverse("admin:accounts_user_change", args=[owner.user.pk]), form)
        else:
            owner.user.is_active = is_active
            owner.user.save(update_fields=["is_active"] if by == "update_fields" else None)

    owner.user.refresh_from_db()
    assert owner.user.is_active
    for client in (owner, ApiClient(token=tokens["access"])):
        assert_refused(client.get(ME))
    assert_refused(refresh(tokens["refresh"]))
    assert browser.get(reverse("admin:index")).status_code == 302


def test_an_account_that_is_activated_again_gets_new_tokens_and_sessions(owner):
    for is_active in (False, True):
        owner.user.is_active = is_active
        owner.user.is_staff = True
        owner.user.save()
    browser = Client()
    browser.force_login(owner.user)

    tokens = login(owner).json()
    renewed = refresh(tokens["refresh"]).json()

    for token in (tokens["access"], renewed["access"]):
        assert ApiClient(token=token).get(ME).status_code == 200
    assert refresh(renewed["refresh"]).status_code == 200
    assert browser.get(reverse("admin:index")).status_code == 200


def test_the_migration_revokes_the_tokens_of_accounts_that_are_deactivated(owner, make_user):
    inactive = make_user("Ina Inactive", is_active=False)
    User.objects.update(deactivated_at=None)

    import_module("accounts.migrations.0006_deactivated_at").revoke(apps, connection.schema_editor())

    for user in (owner.user, inactive):
        user.refresh_from_db()
    assert [bool(user.deactivated_at) for user in (owner.user, inactive)] == [False, True]
