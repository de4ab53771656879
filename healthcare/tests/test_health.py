"""GET /healthz, GET /readyz, and what the API answers while the database is unavailable."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from conftest import ApiClient


@pytest.fixture
def away(owner, monkeypatch):
    """Return a function that makes a request for which the database cannot be reached, and returns the answer."""

    def request(method, path, body=None, **headers):
        monkeypatch.setitem(connections.settings["default"], "NAME", "/nowhere/there-is-no-such-database")
        # A thread has no connection yet: it has to open its own.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(owner.request, method, path, body, **headers).result()

    return request


@pytest.mark.parametrize("client", [ApiClient(), ApiClient(token="x.y.z")])
def test_alive_touches_no_database(client):
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_is_read_and_never_posted_to(path):
    response = Client(enforce_csrf_checks=True).post(path)

    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.django_db
def test_ready_while_every_migration_is_applied(django_assert_num_queries):
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
def test_what_is_no_probe_needs_a_known_host(path):
    assert ApiClient().get(path, Host="evil.example").status_code == 400


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing():
    MigrationRecorder.Migration.objects.filter(app="patients").first().delete()

    response = ApiClient().get("/readyz")

    assert (response.status_code, response.json()) == (
        503,
        {"detail": "1 migrations are not applied: run manage.py migrate."},
    )
    assert int(response.headers["Retry-After"]) > 0


def test_alive_but_not_ready_while_the_database_is_unavailable(away):
    alive, ready = away("GET", "/healthz"), away("GET", "/readyz")

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
def test_the_answer_is_503_while_the_database_is_unavailable(away, method, path, body):
    response = away(method, path, body)

    assert (response.status_code, response.headers["Content-Type"]) == (503, "application/json")
    assert response.json() == {"detail": "The database is unavailable. Try again in a few seconds."}
    assert int(response.headers["Retry-After"]) > 0


def test_the_admin_is_a_page_with_503_while_the_database_is_unavailable(away):
    response = away("GET", "/admin/", Cookie="sessionid=0123456789abcdef0123456789abcdef")

    assert (response.status_code, response.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert int(response.headers["Retry-After"]) > 0


def test_the_api_is_back_with_the_database(owner, away, monkeypatch):
    assert away("GET", "/api/auth/me/").status_code == 503

    monkeypatch.undo()

    assert owner.get("/api/auth/me/").status_code == 200
