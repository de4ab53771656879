"""Every path of the API, as clients write it."""

import pytest
from django.urls import resolve, reverse

from conftest import ApiClient
from healthcare.api import errors

PATHS = [
    ("auth:register", "/api/auth/register/"),
    ("auth:login", "/api/auth/login/"),
    ("auth:refresh", "/api/auth/refresh/"),
    ("auth:logout", "/api/auth/logout/"),
    ("auth:me", "/api/auth/me/"),
    ("auth:password", "/api/auth/password/"),
    ("auth:password-reset", "/api/auth/password/reset/"),
    ("auth:password-reset-confirm", "/api/auth/password/reset/confirm/"),
    ("patients-list", "/api/patients/"),
    ("patients-import", "/api/patients/import/"),
    ("patients-detail", "/api/patients/7/"),
    ("patients-history", "/api/patients/7/history/"),
    ("patients-doctors", "/api/patients/7/doctors/"),
    ("doctors-list", "/api/doctors/"),
    ("doctors-detail", "/api/doctors/7/"),
    ("doctors-history", "/api/doctors/7/history/"),
    ("doctors-patients", "/api/doctors/7/patients/"),
    ("mappings-list", "/api/mappings/"),
    ("mappings-detail", "/api/mappings/7/"),
    ("schema", "/api/schema/"),
    ("docs", "/api/docs/"),
]
OPEN = {
    *("/api/auth/register/", "/api/auth/login/", "/api/auth/refresh/", "/api/auth/logout/"),
    *("/api/auth/password/reset/", "/api/auth/password/reset/confirm/", "/api/schema/", "/api/docs/"),
}


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_the_path_is_the_one_of_the_specification(name, path):
    assert reverse(name, args=[7] if "/7/" in path else []) == path
    assert resolve(path).view_name == name


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [path for _, path in PATHS if path not in OPEN])
def test_every_path_that_is_not_public_needs_a_login(anonymous, django_assert_num_queries, method, path):
    with django_assert_num_queries(0):
        response = anonymous.request(method, path, {})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert errors.LOG_IN_FIRST in response.json()["detail"]


def test_the_root_redirects_to_the_docs():
    response = ApiClient().get("/")

    assert (response.status_code, response.headers["Location"]) == (302, "/api/docs/")
