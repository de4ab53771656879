import pytest
from django.contrib.auth.hashers import MD5PasswordHasher


@pytest.fixture
def set_rate(settings):
    """Return a function that changes the rate of a throttle's scope."""

    def change(scope, rate):
        rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {**rates, scope: rate}}

    return change


@pytest.fixture
def few_failures(settings):
    """Allow three failed log-ins."""
    settings.LOGIN_FAILURES = 3


@pytest.fixture
def hashed(monkeypatch):
    """Record the passwords that are hashed, in a list."""
    passwords, encode = [], MD5PasswordHasher.encode

    def note(self, password, salt):
        passwords.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", note)
    return passwords
