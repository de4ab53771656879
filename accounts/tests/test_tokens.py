"""Login, and the use and expiry of tokens."""

from datetime import timedelta
from time import time

import jwt
import pytest
from django.apps import apps
from django.conf import settings
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from accounts.tests.sessions import CHANGE_PASSWORD, LOGIN, LOGOUT, ME, assert_refused, login, refresh
from conftest import PASSWORD, ApiClient

NEW_PASSWORD = "another password"
WRONG_LOGIN = {"detail": "No active account with this e-mail and password."}


@pytest.fixture
def tokens(owner):
    """The token pair of a login of the owner."""
    return login(owner).json()


# Login


def test_login_returns_an_access_and_a_refresh_token(owner):
    response = login(owner)

    assert response.status_code == 200
    assert list(response.json()) == ["access", "refresh"]
    assert ApiClient(token=response.json()["access"]).get(ME).json()["id"] == owner.user.pk


def test_login_updates_the_time_of_the_last_login(owner):
    login(owner)

    owner.user.refresh_from_db()
    assert owner.user.last_login


def test_login_takes_the_email_in_any_case(owner):
    response = ApiClient().post(LOGIN, {"email": owner.user.email.upper(), "password": PASSWORD})

    assert response.status_code == 200


@pytest.mark.argon2
def test_login_checks_an_argon2_hash(owner):
    assert owner.user.password.startswith("argon2$argon2id$")

    assert login(owner).status_code == 200
    assert login(owner, "wrong password").status_code == 401


def test_every_failed_login_gets_the_same_response_after_the_same_work(owner, make_user, hashed):
    inactive = ApiClient(make_user("Ina Inactive", is_active=False))
    hashed.clear()

    answers = []
    for email, password in [
        ("nobody@example.com", PASSWORD),
        (owner.user.email, "wrong password"),
        (inactive.user.email, PASSWORD),
        (inactive.user.email, "wrong password"),
    ]:
        response = ApiClient().post(LOGIN, {"email": email, "password": password})
        assert_refused(response)
        answers.append((response.json(), len(hashed)))
        hashed.clear()

    assert answers == [(WRONG_LOGIN, 1)] * 4


@pytest.mark.parametrize("field", ["email", "password"])
@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("", "This field may not be blank."),
        (None, "This field may not be null."),
        (7, "Not a valid string: send a JSON string in double quotes."),
        ("a\0b", "Null characters are not allowed."),
        ("\ud800", "Surrogate characters are not allowed: U+D800."),
    ],
)
def test_login_names_the_bad_field(owner, field, sent, message):
    response = ApiClient().post(LOGIN, {"email": owner.user.email, "password": PASSWORD, field: sent})

    assert (response.status_code, response.json()) == (400, {field: [message]})


# Access tokens


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Basic {}", "Token {}", "{}", "Bearer {} {}", "Bearer \xff{}", "Bearer Bearer"]
)
def test_a_missing_or_malformed_header_is_refused(owner, header):
    headers = {} if header is None else {"Authorization": header.replace("{}", owner.token)}

    assert_refused(ApiClient().get(ME, **headers))


@pytest.mark.parametrize("header", ["Bearer {}", "bearer  {}", "Bearer Bearer {}", " Bearer bearer  {} "])
def test_a_header_with_bearer_once_or_twice_is_accepted(owner, header):
    assert ApiClient().get(ME, Authorization=header.replace("{}", owner.token)).status_code == 200


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer Bearer"])
def test_an_empty_bearer_header_has_its_own_error(anonymous, header):
    assert "No token was sent after Bearer." in anonymous.get(ME, Authorization=header).json()["detail"]


def test_a_token_from_a_clock_a_few_seconds_ahead_is_valid(owner):
    claims = jwt.decode(owner.token, options={"verify_signature": False})
    ahead = jwt.encode({**claims, "iat": int(time()) + 5}, settings.SECRET_KEY)

    assert ApiClient(token=ahead).get(ME).status_code == 200


def test_a_refresh_token_is_not_accepted_as_an_access_token(tokens):
    assert_refused(ApiClient(token=tokens["refresh"]).get(ME))


def test_an_access_token_expires_after_it_was_accepted(owner, monkeypatch):
    assert owner.get(ME).status_code == 200

    monkeypatch.setattr("accounts.authentication.time", lambda: time() + 3600)

    assert_refused(owner.get(ME))


@pytest.mark.parametrize("end", ["delete", "deactivate"])
def test_the_tokens_of_a_deleted_user_are_refused_immediately(owner, tokens, end):
    access = ApiClient(token=tokens["access"])
    assert access.get(ME).status_code == 200

    if end == "delete":
        owner.user.delete()
    else:
        owner.user.is_active = False
        owner.user.save()

    assert_refused(access.get(ME))
    assert_refused(refresh(tokens["refresh"]))


# Refresh tokens


def test_a_refresh_token_works_once_and_a_replay_ends_its_family(tokens, settings):
    settings.REFRESH_GRACE_SECONDS = 0
    first = refresh(tokens["refresh"])
    second = refresh(first.json()["refresh"])
    replay = refresh(tokens["refresh"])

    assert (first.status_code, list(first.json())) == (200, ["access", "refresh"])
    assert ApiClient(token=first.json()["access"]).get(ME).status_code == 200
    assert second.status_code == 200
    assert_refused(replay)
    assert_refused(refresh(second.json()["refresh"]))


def test_a_replay_within_the_grace_period_is_refused_and_ends_nothing(tokens):
    first = refresh(tokens["refresh"])

    assert_refused(refresh(tokens["refresh"]))

    assert refresh(first.json()["refresh"]).status_code == 200


def test_a_replay_long_after_the_first_use_ends_the_family(tokens):
    first = refresh(tokens["refresh"])
    BlacklistedToken.objects.update(blacklisted_at=timezone.now() - timedelta(seconds=11))

    assert_refused(refresh(tokens["refresh"]))

    assert_refused(refresh(first.json()["refresh"]))


def test_a_replay_does_not_end_another_login(owner, tokens, settings):
    settings.REFRESH_GRACE_SECONDS = 0
    other = login(owner).json()["refresh"]
    refresh(tokens["refresh"])

    assert_refused(refresh(tokens["refresh"]))

    assert refresh(other).status_code == 200


def test_only_one_of_eight_racing_refreshes_succeeds(race, tokens):
    responses = race(*[lambda: refresh(tokens["refresh"])] * 8)

    assert sorted(response.status_code for response in responses) == [200] + [401] * 7
    (renewed,) = [response.json()["refresh"] for response in responses if response.status_code == 200]
    assert refresh(renewed).status_code == 200


@pytest.mark.parametrize("token", ["", "x.y.z", "access", 7, None, "\ud800"])
def test_only_a_refresh_token_can_be_refreshed(owner, token):
    response = refresh(owner.token if token == "access" else token)

    if token in ("x.y.z", "access"):
        assert_refused(response)
    else:
        assert (response.status_code, list(response.json())) == (400, ["refresh"])


@pytest.mark.parametrize("token", [None, "x.y.z"])
def test_logout_needs_only_the_refresh_token(tokens, token):
    response = ApiClient(token=token).post(LOGOUT, {"refresh": tokens["refresh"]})

    assert (response.status_code, response.json()) == (200, {"detail": "Logged out."})
    assert_refused(refresh(tokens["refresh"]))


def test_logout_with_a_token_that_was_used_is_refused(tokens):
    refresh(tokens["refresh"])

    assert_refused(ApiClient().post(LOGOUT, {"refresh": tokens["refresh"]}))


def test_the_refresh_token_is_not_in_the_database(tokens):
    renewed = refresh(tokens["refresh"]).json()["refresh"]

    stored = str([list(model._base_manager.values()) for model in apps.get_models()])
    assert jwt.decode(renewed, options={"verify_signature": False})["jti"] in stored
    for token in (tokens["refresh"], renewed):
        assert not any(part in stored for part in token.split(".")[1:])


# Passwords


def test_a_password_change_ends_every_token_issued_before(owner, tokens):
    access = ApiClient(token=tokens["access"])

    response = access.post(CHANGE_PASSWORD, {"old_password": PASSWORD, "new_password": NEW_PASSWORD})

    assert response.status_code == 200
    for client in (access, owner):
        assert_refused(client.get(ME))
    assert_refused(refresh(tokens["refresh"]))
    assert_refused(login(owner, PASSWORD))
    assert login(owner, NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize(
    ("old", "new", "errors"),
    [
        ("wrong password", NEW_PASSWORD, {"old_password": ["This is not your current password."]}),
        (PASSWORD + " ", NEW_PASSWORD, {"old_password": ["This is not your current password."]}),
        (PASSWORD, "8273645190", {"new_password": ["This password is entirely numeric."]}),
        (PASSWORD, "olive.owner@example.com", {"new_password": ["The password is too similar to the e-mail."]}),
        (PASSWORD, "x" * 129, {"new_password": ["Ensure this field has no more than 128 characters."]}),
    ],
)
def test_a_refused_password_change_changes_nothing(owner, old, new, errors):
    response = owner.post(CHANGE_PASSWORD, {"old_password": old, "new_password": new})

    assert (response.status_code, response.json()) == (400, errors)
    assert owner.get(ME).status_code == 200
    assert login(owner).status_code == 200
