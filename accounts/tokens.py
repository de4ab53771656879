"""Refresh tokens that belong to a family: everything that was renewed from one login.

A refresh token works once. One that comes a second time was copied, so its whole family dies (RFC 9700, 4.14.2).
SimpleJWT keeps a row a token; instead of the token itself, which would be a key to the account lying in the database,
its `token` column holds the family.
"""

import re
from typing import Self

from django.contrib.auth import get_user_model
from django.db import transaction
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.utils import datetime_from_epoch, get_md5_hash_password

from accounts.models import User
from healthcare.fields import ID

FAMILY_CLAIM = "family"


class RefreshToken(tokens.RefreshToken):
    no_copy_claims = (*tokens.RefreshToken.no_copy_claims, FAMILY_CLAIM)

    @classmethod
    def for_user(cls, user: User, family: str | None = None) -> Self:
        """Return a new token of `user`, in the given family or the first of its own."""
        token = super(tokens.BlacklistMixin, cls).for_user(user)
        token[FAMILY_CLAIM] = family or token[api_settings.JTI_CLAIM]
        OutstandingToken.objects.create(
            user=user,
            jti=token[api_settings.JTI_CLAIM],
            token=token[FAMILY_CLAIM],  # not the token: see above
            created_at=token.current_time,
            expires_at=datetime_from_epoch(token["exp"]),
        )
        return token

    def verify(self) -> None:
        """Raise TokenError also for what SimpleJWT itself would make with this key: without a family, or of nobody."""
        super().verify()
        user_id = str(self.payload.get(api_settings.USER_ID_CLAIM))
        if not re.fullmatch(ID, user_id) or not isinstance(self.payload.get(FAMILY_CLAIM), str):
            raise TokenError("Token is of no session")

    def check_blacklist(self) -> None:
        """Leave it to `spend`, which asks under a lock."""

    def spend(self, renew: bool) -> Self | None:
        """Use this token up; return its successor if `renew`, else None.

        Raises TokenError for a user who is gone, deactivated or changed the password, and for a token that was used
        before: then every token of its family is dead.
        """
        with transaction.atomic():
            # One at a time for each user, so that a family dies whole: no successor is born while it does.
            user = (
                get_user_model()
                .objects.select_for_update(no_key=True)
                .filter(pk=self.payload.get(api_settings.USER_ID_CLAIM), is_active=True)
                .first()
            )
            if user is None:
                raise TokenError("The account of this token is gone or deactivated: only staff can activate it again.")
            if self.payload.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
                raise TokenError("The password was changed after this token was issued. Log in again.")
            known = OutstandingToken.objects.filter(jti=self.payload[api_settings.JTI_CLAIM])
            fresh = known.filter(blacklistedtoken__isnull=True).first()
            if fresh:
                BlacklistedToken.objects.create(token=fresh)
                return type(self).for_user(user, self.payload[FAMILY_CLAIM]) if renew else None
            family = OutstandingToken.objects.filter(user=user, token=self.payload[FAMILY_CLAIM])
            BlacklistedToken.objects.bulk_create(
                BlacklistedToken(token=token) for token in family.filter(blacklistedtoken__isnull=True)
            )
        raise TokenError("This refresh token was used before, or its log-in was ended. Log in again.")
