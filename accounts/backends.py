from django.contrib.auth.backends import ModelBackend

from accounts import attempts


class GuardedBackend(ModelBackend):
    """Django's, with guessing stopped: the one door of the API's log-in and of the admin's."""

    def authenticate(self, request, username=None, password=None, **kwargs):
        """Return the user or None; raise Throttled before any hashing where there were too many failures."""
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **kwargs)
        attempts.begin(request, username)
        user = super().authenticate(request, username, password, **kwargs)
        if user:
            attempts.succeeded(request, username)
        return user
