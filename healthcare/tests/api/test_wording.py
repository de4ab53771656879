"""Error messages name the problem and the valid values, and do not repeat long input."""

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts.tokens import RefreshToken
from conftest import PASSWORD, PATIENT, ApiClient

NO_TOKEN = (
    "Authentication credentials were not provided. "
    "Send the header Authorization: Bearer <access>, with the access token of /api/auth/login/."
)
WANTED = "Send the access token of /api/auth/login/, not the refresh token, whole and unchanged."
NOT_FOUND = "Not found: the path or record does not exist, or you have no access to it. See /api/docs/ for all paths."
NO_JSON = 'Unsupported media type "text/plain" in request. Send JSON, with the header Content-Type: application/json.'
NO_OBJECT = 'The body must be a JSON object: {"key": value, ...}.'
PATIENTS = "/api/patients/"


@pytest.mark.parametrize("header", ["", "Token abc", "abc", "Basic abc"])
def test_the_error_for_a_missing_token_names_the_header(anonymous, header):
    response = anonymous.get(PATIENTS, Authorization=header)

    assert (response.status_code, response.json()) == (401, {"detail": NO_TOKEN})


def test_the_error_for_a_wrong_token_names_the_right_one(owner):
    expired = AccessToken.for_user(owner.user)
    expired["exp"] = 1
    tokens = ["", "abc", str(RefreshToken.for_user(owner.user)), str(expired)]

    answers = [ApiClient().get(PATIENTS, Authorization=f"Bearer {token}").json()["detail"] for token in tokens]

    assert answers == [
        f"No token was sent after Bearer. {WANTED}",
        f"Token is invalid. {WANTED}",
        f"Token has wrong type. {WANTED}",
        "The access token has expired. Send the refresh token to /api/auth/refresh/ for a new one.",
    ]


def test_the_error_for_a_wrong_refresh_token_names_the_right_one(owner):
    response = ApiClient().post("/api/auth/refresh/", {"refresh": owner.token})

    wanted = "Token has wrong type. Send the newest refresh token, not the access token, or log in again."
    assert (response.status_code, response.json()) == (401, {"detail": wanted})


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "detail"),
    [
        ("GET", "/api/patients/0/", {}, 404, NOT_FOUND),
        ("GET", "/api/nothing/", {}, 404, NOT_FOUND),
        ("DELETE", PATIENTS, {}, 405, 'Method "DELETE" not allowed. Allowed: GET, HEAD, POST.'),
        ("GET", "/api/auth/login/", {}, 405, 'Method "GET" not allowed. Allowed: POST.'),
        ("POST", "/api/schema/", {}, 405, 'Method "POST" not allowed. Allowed: GET, HEAD, OPTIONS.'),
        (
            "POST",
            PATIENTS,
            {"raw": b"name=Alice", "content_type": "text/plain"},
            415,
            NO_JSON,
        ),
        ("GET", PATIENTS + "?" + "a=1&" * 1001, {}, 400, "The request has too many parameters, or a malformed one."),
    ],
)
def test_the_error_for_an_impossible_request_names_a_possible_one(owner, method, path, sent, status, detail):
    response = owner.request(method, path, **sent)

    assert (response.status_code, response.json()) == (status, {"detail": detail})
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", [PATIENTS, "/api/auth/register/", "/api/auth/login/"])
@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"7"])
def test_a_body_that_is_no_object_is_described_in_terms_of_json(owner, path, raw):
    response = owner.post(path, raw=raw)

    assert (response.status_code, response.json()) == (400, {"non_field_errors": [NO_OBJECT]})


@pytest.mark.parametrize("age", [-1, 151, 30.5, "thirty", True, ""])
def test_the_error_for_a_wrong_age_names_both_limits(owner, age):
    response = owner.post(PATIENTS, {**PATIENT, "age": age})

    assert response.json() == {"age": ["Must be a whole number from 0 to 150."]}


@pytest.mark.parametrize("gender", ["robot", "", None, 5])
def test_the_error_for_a_wrong_gender_names_the_valid_ones(owner, gender):
    response = owner.post(PATIENTS, {**PATIENT, "gender": gender})

    assert response.json() == {
        "gender": ["Must be one of male, female, other, unknown, or its first letter, in any case."]
    }


@pytest.mark.parametrize("length", [1_000, 4_000])
def test_an_error_does_not_repeat_a_long_input(owner, length):
    text = "9" * length
    answers = [
        owner.post(PATIENTS, raw=b"{}", content_type=f"text/{text}"),
        owner.post("/api/mappings/", raw=f'{{"patient": {text}, "doctor": 1}}'.encode()),
        owner.post(PATIENTS, {**PATIENT, "name": text, "gender": text, "phone": text, "email": text}),
        owner.post(PATIENTS, raw=f'{{"age": {text * 5}}}'.encode()),
        owner.get(f"/api/patients/{text}/"),
        ApiClient(token=text).get(PATIENTS),
    ]

    assert [answer.status_code for answer in answers] == [415, 400, 400, 400, 404, 401]
    assert not [answer.content for answer in answers if text[:200] in answer.content.decode()]


def test_an_error_does_not_repeat_a_password(owner):
    body = {"name": "Secret", "email": "s@example.com", "password": "sesame"}
    answers = [
        owner.post("/api/auth/register/", body),
        owner.post("/api/auth/login/", {"email": "s@example.com", "password": "sesame"}),
        owner.post("/api/auth/password/", {"old_password": "sesame", "new_password": PASSWORD}),
    ]

    assert [answer.status_code for answer in answers] == [400, 401, 400]
    assert not [answer.content for answer in answers if b"sesame" in answer.content]
