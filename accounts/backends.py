from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts import attempts
from accounts.models import User


class GuardedBackend(ModelBackend):
    """Django's, with guessing stopped: the one door of the API's log-in and of the admin's."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the user or None; raise Throttled before any hashing where there were too many failures."""
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **kwargs)
        attempts.begin(request, username)
        user = super().authenticate(request, username, password, **kwargs)
        if user:
            attempts.succeeded(request, username)
        return user
