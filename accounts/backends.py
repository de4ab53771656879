from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import check_password
from django.http import HttpRequest

from accounts.models import User
from accounts.throttling import attempt


class GuardedBackend(ModelBackend):
    """Django's ModelBackend with protection against password guessing, for the API and the admin."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the active user with this e-mail and password, or None in the same time.

        Raises ServerBusy or Throttled before any hashing. Without a request, as in a shell, attempts are not counted.
        """
        username = kwargs.get(User.USERNAME_FIELD) if username is None else username
        if username is None or password is None:
            return None
        if request is None:
            return self.checked(username, password)
        with attempt(request, f"e-mail {username}") as current:
            user = self.checked(username, password)
            current.succeeded = user is not None
        return user

    def checked(self, email: str, password: str) -> User | None:
        user = User.objects.filter_by_email(email).first()
        decoy = User.objects.decoy_password(email)
        correct = user.check_password(password) if user else check_password(password, decoy)
        return user if user and correct and self.user_can_authenticate(user) else None
