"""Who is asking: the user of a valid access token, looked at anew on every request."""

import re
from functools import lru_cache
from time import time
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.models import User
from healthcare.db.compiled import CompiledQuery, Placeholder
from healthcare.fields import ID

FIELDS = [field.attname for field in User._meta.concrete_fields]
user_by_id = CompiledQuery(lambda: User.objects.filter(pk=Placeholder("pk")).order_by().values_list(*FIELDS))


@lru_cache(maxsize=4096)
def verified(raw_token: str) -> dict[str, Any]:
    """Return the claims of an access token whose signature and form are right; raise TokenError.

    Neither changes while the key does not, so they are verified once a token; what does change (the time, the user) is
    looked at by the caller.
    """
    return AccessToken(raw_token).payload


class JWTAuthentication(BaseAuthentication):
    """SimpleJWT's, with each token verified once and the user read by compiled SQL; raises AuthenticationFailed."""

    def authenticate(self, request: Request) -> tuple[User, dict[str, Any]] | None:
        scheme, _, raw_token = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = verified(raw_token.strip())
        except ExpiredTokenError:
            raise AuthenticationFailed(EXPIRED) from None
        except TokenError as error:
            raise AuthenticationFailed(f"{error}. {WANTED}") from None
        if claims["exp"] <= time():
            raise AuthenticationFailed(EXPIRED)
        return self.user_of(claims), claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    def user_of(self, claims: dict[str, Any]) -> User:
        """Return the active user of verified claims whose password is still the one the token was issued for."""
        user_id = str(claims.get(api_settings.USER_ID_CLAIM))
        rows = user_by_id.rows(pk=int(user_id)) if re.fullmatch(ID, user_id) else None
        if not rows:
            raise AuthenticationFailed("The account of this token does not exist. Log in again.")
        user = User.from_db(None, FIELDS, rows[0])
        if not user.is_active:
            raise AuthenticationFailed("The account of this token is deactivated: only staff can activate it again.")
        if claims.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
            raise AuthenticationFailed("The password was changed after this token was issued. Log in again.")
        return user


EXPIRED = "The access token has expired. Send the refresh token to /api/auth/refresh/ for a new one."
WANTED = "Send the access token of /api/auth/login/, not the refresh token, whole and unchanged."
