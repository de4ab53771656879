"""Forged tokens are refused, and no refresh token is revoked."""

import uuid
from time import time

import jwt
import pytest
from django.conf import settings
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from accounts.tests.sessions import LOGOUT, ME, REFRESH, assert_refused, login, refresh
from conftest import ApiClient

SOMEBODY_ELSES_KEY = "the attacker's own key, of more than 32 bytes, in fact of 64 and more of them"
JWK = {"kty": "oct", "k": "dGhlIGF0dGFja2VyJ3Mgb3duIGtleQ", "kid": "mine"}
FORGERIES = {
    "alg none": lambda claims: jwt.encode(claims, None, "none"),
    "alg HS512": lambda claims: jwt.encode(claims, settings.SECRET_KEY, "HS512"),
    "another key": lambda claims: jwt.encode(claims, SOMEBODY_ELSES_KEY),
    "a tampered claim": lambda claims: swapped(claims, claims | {"user_id": "1", "exp": claims["exp"] + 1}),
    "no signature": lambda claims: signed(claims).rpartition(".")[0] + ".",
    "expired": lambda claims: signed(claims | {"exp": int(time()) - 11}),
    "issued in the future": lambda claims: signed(claims | {"iat": int(time()) + 3600}),
    "not valid yet": lambda claims: signed(claims | {"nbf": int(time()) + 3600}),
    "no exp": lambda claims: signed(without(claims, "exp")),
    "no jti": lambda claims: signed(without(claims, "jti")),
    "no type": lambda claims: signed(without(claims, "token_type")),
    "no user": lambda claims: signed(without(claims, "user_id")),
    "no password claim": lambda claims: signed(without(claims, api_settings.REVOKE_TOKEN_CLAIM)),
    "a user who never was": lambda claims: signed(claims | {"user_id": "999999999"}),
    "a user beyond all ids": lambda claims: signed(claims | {"user_id": "9" * 30}),
    "a user that is no number": lambda claims: signed(claims | {"user_id": "abc"}),
    "a refresh token": lambda claims: signed(claims | {"token_type": "refresh"}),
    "its own jwk": lambda claims: jwt.encode(claims, SOMEBODY_ELSES_KEY, headers={"jwk": JWK}),
    "its own jku": lambda claims: jwt.encode(claims, SOMEBODY_ELSES_KEY, headers={"jku": "https://evil.example/keys"}),
    "a crit header": lambda claims: jwt.encode(claims, settings.SECRET_KEY, headers={"crit": ["x"], "x": 1}),
    "padding": lambda claims: f"{signed(claims)}=",
    "not a token": lambda claims: "x.y.z",
    "nothing": lambda claims: "",
}  # fmt: skip
# An empty token is refused by its field (400); the other type is the access token.
REFRESH_FORGERIES = {name: forge for name, forge in FORGERIES.items() if name not in ("nothing", "a refresh token")} | {
    "an access token": lambda claims: signed(claims | {"token_type": "access"}),
    "no family": lambda claims: signed(without(claims, "family")),
}


def signed(claims):
    return jwt.encode(claims, settings.SECRET_KEY)


def swapped(claims, others):
    header, _, signature = signed(claims).split(".")
    return ".".join([header, signed(others).split(".")[1], signature])


def without(claims, name):
    assert name in claims
    return {key: value for key, value in claims.items() if key != name}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused(owner, forge):
    claims = AccessToken.for_user(owner.user).payload | {"jti": uuid.uuid4().hex}
    assert ApiClient(token=signed(claims)).get(ME).status_code == 200

    response = ApiClient().get(ME, Authorization=f"Bearer {forge(claims)}")

    assert_refused(response)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
@pytest.mark.parametrize("forge", REFRESH_FORGERIES.values(), ids=REFRESH_FORGERIES)
def test_a_forged_refresh_token_is_refused_and_spends_nothing(owner, forge, path):
    tokens = login(owner).json()
    claims = jwt.decode(tokens["refresh"], settings.SECRET_KEY, ["HS256"])

    response = owner.post(path, {"refresh": forge(claims)})

    assert_refused(response)
    assert refresh(tokens["refresh"]).status_code == 200
