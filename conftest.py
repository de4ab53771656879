"""Fixtures shared by all tests: two unrelated users, a staff user, and their records."""

import json
import threading

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connections
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from doctors.models import Doctor
from healthcare.api.throttling import ConcurrencyThrottle
from mappings.models import Mapping
from patients.models import Patient

# Tests of features that only one of the databases has.
ONLY_POSTGRESQL = (
    "both_write_paths",
    "compiled_writes",
    "encodings",
    "postgresql",
    "postgresql_backups",
    "query_plans",
    "search_index",
    "tampered_dumps",
    "connection_limit",
)
collect_ignore = [
    f"healthcare/tests/db/test_{name}.py" for name in (["sqlite"] if settings.DB_LIVE else ONLY_POSTGRESQL)
]

PASSWORD = "password123"
PATIENT = {
    "name": "Alice Smith",
    "age": 30,
    "gender": "Female",
    "phone": "9876543210",
    "address": "street 123",
    "email": "aliceS@gmail.com",
}
DOCTOR = {
    "name": "Dr. Robert Brown",
    "specialization": "Cardiologist",
    "phone": "9123456780",
    "age": 21,
    "gender": "male",
    "email": "Robert.brown@gmail.com",
    "address": "245 main strt",
}


def timestamp(value):
    """Return a datetime in the format of the API."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class ApiClient:
    """A JSON client of the API, authenticated as `user` unless None; returns Django's responses."""

    def __init__(self, user=None, token=None):
        self.user = user
        self.token = token or (str(AccessToken.for_user(user)) if user else None)

    def request(self, method, path, body=None, raw=None, **headers):
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        content_type = headers.pop("content_type", "application/json")
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        return client.generic(method, path, content, content_type=content_type, headers=headers)

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def post(self, path, body=None, **kwargs):
        return self.request("POST", path, body, **kwargs)

    def put(self, path, body=None, **kwargs):
        return self.request("PUT", path, body, **kwargs)

    def patch(self, path, body=None, **kwargs):
        return self.request("PATCH", path, body, **kwargs)

    def delete(self, path, **kwargs):
        return self.request("DELETE", path, **kwargs)


@pytest.fixture(autouse=True)
def _settings_of_tests(settings, request):
    """Reset all counters, lift the limit of concurrent requests, and hash fast except under `@pytest.mark.argon2`."""
    if not request.node.get_closest_marker("argon2"):
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    # Tests that do not read a stream to its end leave their request open.
    settings.USER_CONCURRENT_REQUESTS = 1_000_000
    ConcurrencyThrottle._running.clear()


@pytest.fixture
def make_user(db):
    """Return a function that creates a user; the default e-mail is derived from the name."""

    def make(name, **fields):
        email = fields.pop("email", f"{name.replace(' ', '.').lower()}@example.com")
        return get_user_model().objects.create_user(email, fields.pop("password", PASSWORD), name=name, **fields)

    return make


@pytest.fixture
def owner(make_user):
    return ApiClient(make_user("Olive Owner"))


@pytest.fixture
def stranger(make_user):
    return ApiClient(make_user("Sam Stranger"))


@pytest.fixture
def staff(make_user):
    return ApiClient(make_user("Stella Staff", is_staff=True, is_superuser=True))


@pytest.fixture
def anonymous(db):
    return ApiClient()


@pytest.fixture
def patient(owner):
    """A patient of the owner."""
    return Patient.objects.create(user=owner.user, **PATIENT)


@pytest.fixture
def doctor(owner):
    """A doctor created by the owner."""
    return Doctor.objects.create(user=owner.user, **DOCTOR)


@pytest.fixture
def mapping(patient, doctor):
    """The assignment of the owner's doctor to the owner's patient."""
    return Mapping.objects.create(patient=patient, doctor=doctor, user=patient.user)


@pytest.fixture
def other_doctor(stranger):
    """A doctor created by the stranger."""
    return Doctor.objects.create(user=stranger.user, **{**DOCTOR, "email": "second@example.com"})


@pytest.fixture
def other_mapping(stranger, doctor):
    """A mapping of the stranger's patient."""
    patient = Patient.objects.create(user=stranger.user, **PATIENT)
    return Mapping.objects.create(patient=patient, doctor=doctor, user=stranger.user)


@pytest.fixture
def staff_browser(staff):
    """A client that is logged in to the admin as staff."""
    client = Client()
    client.force_login(staff.user)
    return client


@pytest.fixture
def browser_with(make_user):
    """Return a function that returns a client that is logged in to the admin as staff with some permissions."""

    def browser(*codenames):
        user = make_user("Clara Clerk", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return browser


@pytest.fixture
def race(transactional_db):
    """Return a function that makes calls concurrently, each on its own connection, and returns their results."""

    def run(*calls):
        barrier = threading.Barrier(len(calls))
        results = [None] * len(calls)

        def worker(index, call):
            barrier.wait()
            try:
                results[index] = call()
            except Exception as error:
                results[index] = error
            finally:
                connections.close_all()

        threads = [threading.Thread(target=worker, args=item) for item in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return run
