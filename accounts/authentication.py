"""Authentication by an access token, whose user is read from the database on every request."""

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
from accounts.tokens import REVOKED, require_no_padding
from healthcare.db.compiled import CompiledQuery, Placeholder
from healthcare.fields import ID

FIELDS = [field.attname for field in User._meta.concrete_fields]
user_by_id = CompiledQuery(lambda: User.objects.filter(pk=Placeholder("pk")).order_by().values_list(*FIELDS))


@lru_cache(maxsize=4096)
def verified(raw_token: str) -> dict[str, Any]:
    """Return the claims of an access token with a valid signature and format; raise TokenError.

    The result is cached, because it depends only on the token and the key. The caller checks expiry and user.
    """
    require_no_padding(raw_token)
    return AccessToken(raw_token).payload


class JWTAuthentication(BaseAuthentication):
    """SimpleJWT's authentication, with each token verified once and the user read by compiled SQL."""

    def authenticate(self, request: Request) -> tuple[User, dict[str, Any]] | None:
        words = request.META.get("HTTP_AUTHORIZATION", "").split()
        if not words or words[0].lower() != "bearer":
            return None
        # Accept "Bearer Bearer": Swagger UI and Postman add a prefix that users may have pasted as well.
        raw_token = " ".join(words[2:] if len(words) > 1 and words[1].lower() == "bearer" else words[1:])
        if not raw_token:
            raise AuthenticationFailed(f"No token was sent after Bearer. {EXPECTED}")
        try:
            claims = verified(raw_token)
        except ExpiredTokenError:
            raise AuthenticationFailed(EXPIRED) from None
        except TokenError as error:
            raise AuthenticationFailed(f"{error}. {EXPECTED}") from None
        if claims["exp"] + api_settings.LEEWAY <= time():
            raise AuthenticationFailed(EXPIRED)
        return self.user_of(claims), claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    def user_of(self, claims: dict[str, Any]) -> User:
        """Return the user of verified claims; raise AuthenticationFailed if deactivated or if the token is revoked."""
        user_id = str(claims.get(api_settings.USER_ID_CLAIM))
        rows = user_by_id.rows(pk=int(user_id)) if re.fullmatch(ID, user_id) else None
        if not rows:
            raise AuthenticationFailed("The account of this token does not exist. Log in again.")
        user = User.from_db(None, FIELDS, rows[0])
        if not user.is_active:
            raise AuthenticationFailed("The account of this token is deactivated. Only staff can activate it again.")
        if claims.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.revocation_key):
            raise AuthenticationFailed(REVOKED)
        return user


EXPIRED = "The access token has expired. Send the refresh token to /api/auth/refresh/ for a new one."
EXPECTED = "Send the access token of /api/auth/login/, not the refresh token, whole and unchanged."
