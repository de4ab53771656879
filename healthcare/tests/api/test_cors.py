"""CORS: only configured origins may call the API from a browser, and none by default."""

import runpy

import pytest

from conftest import ApiClient

APP = "https://app.example"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization, if-match"}


def cors(response):
    """Return the CORS headers."""
    return {
        name.lower(): value for name, value in response.headers.items() if name.lower().startswith("access-control")
    }


def listed(value):
    return set(value.lower().split(", "))


@pytest.fixture
def allowed(settings, monkeypatch):
    """The settings that allow one origin."""
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", f"{APP}, http://localhost:3000")
    for name, value in runpy.run_path(f"{settings.BASE_DIR}/healthcare/settings.py").items():
        if name == "MIDDLEWARE" or name.startswith("CORS_"):
            setattr(settings, name, value)


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_no_origin_is_allowed_by_default(owner, origin):
    response = owner.get("/api/patients/", Origin=origin)

    assert cors(response) == {}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/patients/", {}, 200),
        ("/api/patients", {}, 200),
        ("/api/patients/?colour=red", {}, 400),
        ("/api/patients/", {"Host": "evil.example"}, 400),
        ("/api/patients/", {"Authorization": "Bearer x"}, 401),
        ("/api/nothing/", {}, 404),
    ],
)
def test_an_allowed_origin_may_read_answers_and_errors(allowed, owner, path, headers, status):
    response = owner.get(path, Origin=APP, **headers)

    assert response.status_code == status
    assert cors(response).keys() == {"access-control-allow-origin", "access-control-expose-headers"}
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert listed(response.headers["Access-Control-Expose-Headers"]) == {
        "etag",
        "link",
        "location",
        "retry-after",
        "x-request-id",
    }
    assert "origin" in listed(response.headers["Vary"])


def test_an_allowed_origin_may_send_a_preflight_request(allowed, db):
    response = ApiClient().request("OPTIONS", "/api/patients/1/", Origin=APP, **PREFLIGHT)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert listed(response.headers["Access-Control-Allow-Methods"]) >= {"get", "post", "put", "patch", "delete"}
    assert listed(response.headers["Access-Control-Allow-Headers"]) == {
        "authorization",
        "content-type",
        "if-match",
        "if-none-match",
        "prefer",
    }


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{APP}.evil.example", f"{APP}:8443", "http://app.example"]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_other_origin_is_allowed(allowed, owner, origin, method):
    response = owner.request(method, "/api/patients/", Origin=origin, **PREFLIGHT)

    assert cors(response) == {}


@pytest.mark.parametrize("path", ["/", "/healthz", "/admin/"])
def test_only_the_api_is_open_to_other_origins(allowed, owner, path):
    response = owner.get(path, Origin=APP)

    assert cors(response) == {}
