"""Log in, refresh and check tokens over the API."""

from conftest import PASSWORD, ApiClient

LOGIN, REFRESH, LOGOUT = "/api/auth/login/", "/api/auth/refresh/", "/api/auth/logout/"
ME, CHANGE_PASSWORD = "/api/auth/me/", "/api/auth/password/"


def login(client, password=PASSWORD):
    return ApiClient().post(LOGIN, {"email": client.user.email, "password": password})


def refresh(token):
    return ApiClient().post(REFRESH, {"refresh": token})


def assert_refused(response):
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert list(response.json()) == ["detail"]
