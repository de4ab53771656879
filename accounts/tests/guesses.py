"""Log-ins from chosen addresses."""

from django.test import Client

LOGIN = "/api/auth/login/"


def guess(user, password="wrong-guess", address="10.0.0.1", **headers):
    client = Client(REMOTE_ADDR=address, headers=headers)
    body = {"email": user.email, "password": password}
    return client.post(LOGIN, body, content_type="application/json")
