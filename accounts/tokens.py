"""Refresh tokens with families: a family is all tokens renewed from one log-in.

A refresh token works once. Reuse means that it was copied, so its whole family is revoked (RFC 9700, section 4.14.2);
within REFRESH_GRACE_SECONDS of the first use it is only refused, because two tabs of a browser may have sent it.
SimpleJWT stores a row for each token. Its `token` column contains the family instead of the token, so that reading the
database does not reveal tokens.
"""

import re
from datetime import timedelta
from typing import Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.utils import datetime_from_epoch, get_md5_hash_password

from accounts.models import User
from healthcare.fields import ID

FAMILY_CLAIM = "family"
REVOKED = "The password was changed or the account deactivated after this token was issued. Log in again."
ALREADY_USED = "This refresh token has already been used or revoked. Log in again."


def require_no_padding(raw_token: str) -> None:
    """Raise TokenError for base64 with padding: PyJWT decodes it, but a token has none (RFC 7515, section 2)."""
    if "=" in raw_token:
        raise TokenError("Token is invalid")


class RefreshToken(tokens.RefreshToken):
    no_copy_claims = (*tokens.RefreshToken.no_copy_claims, FAMILY_CLAIM)

    @classmethod
    def for_user(cls, user: User, family: str | None = None) -> Self:
        """Return a new token of `user`, in `family` or in a new one."""
        token = super(tokens.BlacklistMixin, cls).for_user(user)
        token[api_settings.REVOKE_TOKEN_CLAIM] = get_md5_hash_password(user.revocation_key)
        token[FAMILY_CLAIM] = family or token[api_settings.JTI_CLAIM]
        OutstandingToken.objects.create(
            user=user,
            jti=token[api_settings.JTI_CLAIM],
            token=token[FAMILY_CLAIM],  # not the token; see the module's docstring
            created_at=token.current_time,
            expires_at=datetime_from_epoch(token["exp"]),
        )
        return token

    def verify(self) -> None:
        """Raise TokenError also for tokens without user or family, which SimpleJWT itself would issue and accept."""
        super().verify()
        user_id = str(self.payload.get(api_settings.USER_ID_CLAIM))
        if not re.fullmatch(ID, user_id) or not isinstance(self.payload.get(FAMILY_CLAIM), str):
            raise TokenError("The token does not belong to a session")

    def check_blacklist(self) -> None:
        """Do nothing: `consume` checks it under a lock."""

    def consume(self, renew: bool) -> Self | None:
        """Mark this token as used; return its successor if `renew`, else None.

        Raises TokenError if the user was deleted or deactivated, or if the token was revoked or already used.
        """
        with transaction.atomic():
            # Lock the user, so that no token is added to a family while it is being revoked.
            user = (
                get_user_model()
                .objects.select_for_update(no_key=True)
                .filter(pk=self.payload.get(api_settings.USER_ID_CLAIM), is_active=True)
                .first()
            )
            if user is None:
                raise TokenError("The account of this token does not exist, or is deactivated.")
            if self.payload.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.revocation_key):
                raise TokenError(REVOKED)
            jti = self.payload[api_settings.JTI_CLAIM]
            unused = OutstandingToken.objects.filter(jti=jti, blacklistedtoken__isnull=True).first()
            if unused:
                BlacklistedToken.objects.create(token=unused)
                return type(self).for_user(user, self.payload[FAMILY_CLAIM]) if renew else None
            used_at = BlacklistedToken.objects.filter(token__jti=jti).values_list("blacklisted_at", flat=True).first()
            grace = timedelta(seconds=settings.REFRESH_GRACE_SECONDS)
            if used_at is None or abs(timezone.now() - used_at) > grace:
                family = OutstandingToken.objects.filter(user=user, token=self.payload[FAMILY_CLAIM])
                BlacklistedToken.objects.bulk_create(
                    BlacklistedToken(token=token) for token in family.filter(blacklistedtoken__isnull=True)
                )
        raise TokenError(ALREADY_USED)
