"""GET and PATCH /api/auth/me/."""

import pytest

from conftest import PASSWORD, ApiClient
from healthcare.api import errors

ME, LOGIN = "/api/auth/me/", "/api/auth/login/"
OLIVE = {"name": "Olive Owner", "email": "olive.owner@example.com"}


def account(client):
    client.user.refresh_from_db()
    return {"name": client.user.name, "email": client.user.email}


def test_users_see_their_own_account_in_one_query(owner, stranger, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = owner.get(ME)

    assert response.status_code == 200
    assert list(response.json().items()) == [("id", owner.user.pk), *OLIVE.items()]
    assert stranger.get(ME).json()["id"] == stranger.user.pk


@pytest.mark.parametrize(
    ("change", "queries"),
    # With those of the savepoint. A new e-mail is counted for the address, and so is the attempt at the password.
    [({"name": "Olivia"}, 6), ({"email": "O@example.com"}, 9), ({"email": OLIVE["email"].upper()}, 9)],
)
def test_users_change_what_they_send_and_nothing_else(owner, change, queries, django_assert_num_queries):
    with django_assert_num_queries(queries):
        response = owner.patch(ME, {**change, "password": PASSWORD})

    assert (response.status_code, response.json()) == (200, {"id": owner.user.pk, **OLIVE, **change})
    assert account(owner) == OLIVE | change


def test_an_account_is_changed_without_its_password_or_privileges(owner):
    wanted = {"id": 99, "is_staff": True, "is_superuser": True, "is_active": False, "password": "another password"}

    response = owner.patch(ME, wanted)

    assert (response.status_code, response.json()) == (200, {"id": owner.user.pk, **OLIVE})
    owner.user.refresh_from_db()
    assert (owner.user.is_staff, owner.user.is_superuser, owner.user.is_active) == (False, False, True)
    assert ApiClient().post(LOGIN, {"email": OLIVE["email"], "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"name": " "}, {"name": ["This field may not be blank."]}),
        ({"name": "a\u2028b"}, {"name": ["Control characters, such as tabs and line ends, are not allowed."]}),
        ({"name": None}, {"name": ["This field may not be null."]}),
        ({"email": "olive"}, {"email": ["Enter a valid email address, such as name@example.com."]}),
        ({"email": ""}, {"email": ["This field may not be blank."]}),
    ],
)
def test_a_bad_change_is_refused_by_its_field(owner, change, errors):
    response = owner.patch(ME, change)

    assert (response.status_code, response.json()) == (400, errors)
    assert account(owner) == OLIVE


@pytest.mark.parametrize(
    ("password", "error"),
    [(None, "Send your current password to change the e-mail."), ("a wrong one", "This is not your current password.")],
)
def test_a_new_email_needs_the_current_password(owner, password, error):
    body = {"name": "Olivia", "email": "new@example.com"} | ({"password": password} if password else {})

    response = owner.patch(ME, body)

    assert (response.status_code, response.json()) == (400, {"password": [error]})
    assert account(owner) == OLIVE


def test_guesses_at_the_password_by_changing_the_email_are_limited(owner, settings):
    settings.LOGIN_FAILURES = 3
    body = {"email": "new@example.com", "password": "a wrong one"}
    statuses = [owner.patch(ME, body).status_code for _ in range(3)]

    refused = owner.patch(ME, {**body, "password": PASSWORD})

    assert statuses == [400] * 3
    assert refused.status_code == 429
    assert account(owner) == OLIVE


def test_changes_of_the_email_are_limited_by_the_rate_of_registrations(owner, set_rate):
    set_rate("register", "2/hour")
    body = {"email": "sam.stranger@example.com", "password": PASSWORD}

    statuses = [owner.patch(ME, body).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert owner.patch(ME, {"name": "Olivia"}).status_code == 200


@pytest.mark.parametrize("email", ["sam.stranger@example.com", "SAM.Stranger@Example.com"])
@pytest.mark.django_db(transaction=True)
def test_an_email_that_is_taken_is_refused(owner, stranger, email):
    response = owner.patch(ME, {"name": "Olivia", "email": email, "password": PASSWORD})

    assert (response.status_code, response.json()) == (400, {"email": ["A user with this e-mail already exists."]})
    assert account(owner) == OLIVE


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS"])
def test_an_account_cannot_be_replaced_or_deleted(owner, method):
    response = owner.request(method, ME, OLIVE)

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "PATCH", "HEAD"}
    assert account(owner) == OLIVE


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_anonymous_client_has_no_account(anonymous, method):
    response = anonymous.request(method, ME, {"name": "Nobody"})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert errors.LOG_IN_FIRST in response.json()["detail"]
