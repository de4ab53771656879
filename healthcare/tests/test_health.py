"""GET /healthz, GET /readyz, and responses while the database is unavailable."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from conftest import ApiClient


@pytest.fixture
def request_without_database(owner, monkeypatch):
    """Return a function that makes a request while the database is unreachable and returns the response."""

    def request(method, path, body=None, **headers):
        monkeypatch.setitem(connections.settings["default"], "NAME", "/nowhere/there-is-no-such-database")
        # A new thread has to open a new connection.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(owner.request, method, path, body, **headers).result()

    return request


@pytest.mark.parametrize("client", [ApiClient(), ApiClient(token="x.y.z")])
def test_the_liveness_probe_makes_no_queries(client):
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_is_read_and_never_posted_to(path):
    response = Client(enforce_csrf_checks=True).post(path)

    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.django_db
def test_the_readiness_probe_succeeds_while_every_migration_is_applied(django_assert_num_queries):
    with django_assert_num_queries(1):
        response = ApiClient().get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ready"})
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["10.1.2.3:8000", "evil.example", "a b", ""])
def test_a_probe_needs_no_known_host_and_no_https(settings, path, host):
    settings.ALLOWED_HOSTS = ["clinic.example"]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]

    assert ApiClient().get(path, Host=host).status_code == 200


@pytest.mark.parametrize("path", ["/", "/admin/", "/healthz/", "/static/x"])
def test_other_paths_need_a_known_host(path):
    assert ApiClient().get(path, Host="evil.example").status_code == 400


@pytest.mark.django_db
def test_the_readiness_probe_fails_while_a_migration_is_missing():
    MigrationRecorder.Migration.objects.filter(app="patients").first().delete()

    response = ApiClient().get("/readyz")

    assert (response.status_code, response.json()) == (
        503,
        {"detail": "1 migrations are not applied: run manage.py migrate."},
    )
    assert int(response.headers["Retry-After"]) > 0


def test_only_the_liveness_probe_succeeds_while_the_database_is_unavailable(request_without_database):
    alive, ready = request_without_database("GET", "/healthz"), request_without_database("GET", "/readyz")

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()) == (503, {"detail": "The database does not respond."})
    assert int(ready.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/patients/", None),
        ("POST", "/api/patients/", {}),
        ("POST", "/api/auth/login/", {"email": "john@example.com", "password": "password123"}),
        ("POST", "/api/auth/register/", {"name": "J", "email": "john@example.com", "password": "password123"}),
    ],
)
def test_the_response_is_503_while_the_database_is_unavailable(request_without_database, method, path, body):
    response = request_without_database(method, path, body)

    assert (response.status_code, response.headers["Content-Type"]) == (503, "application/json")
    assert response.json() == {"detail": "The database is unavailable. Try again in a few seconds."}
    assert int(response.headers["Retry-After"]) > 0


def test_the_admin_returns_a_page_with_503_while_the_database_is_unavailable(request_without_database):
    response = request_without_database("GET", "/admin/", Cookie="sessionid=0123456789abcdef0123456789abcdef")

    assert (response.status_code, response.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert int(response.headers["Retry-After"]) > 0


def test_the_api_recovers_with_the_database(owner, request_without_database, monkeypatch):
    assert request_without_database("GET", "/api/auth/me/").status_code == 503

    monkeypatch.undo()

    assert owner.get("/api/auth/me/").status_code == 200
