"""The WSGI application."""

import json
from io import BytesIO

import pytest
from django.test import RequestFactory

from conftest import PATIENT

MEGABYTE = 1024 * 1024


@pytest.fixture
def serve(transactional_db):
    """Return a function that calls the application as a server does and returns the status and the body."""
    # Importing the application opens a database connection.
    from healthcare.wsgi import application

    def answer(environ):
        statuses = []
        body = b"".join(application(environ, lambda status, headers: statuses.append(status)))
        return statuses[0], body

    return answer


def chunked(body, user, **environ):
    """Return the environ of a chunked POST of a patient: without a Content-Length."""
    request = RequestFactory().post(
        "/api/patients/", content_type="application/json", headers={"Authorization": f"Bearer {user.token}"}
    )
    sent = {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    return request.environ | sent | environ


def test_the_application_answers(serve):
    assert serve(RequestFactory().get("/healthz").environ) == ("200 OK", b'{"status":"alive"}')


def test_an_escaped_cookie_is_dropped_before_it_is_parsed(serve, monkeypatch):
    parsed = []
    monkeypatch.setattr("http.cookies._unquote", lambda value: parsed.append(value) or value)
    cookies = 'theme="dark"; a="' + r"\0" * 8_000 + '"; csrftoken=x'

    status, _ = serve(RequestFactory().get("/healthz", headers={"Cookie": cookies}).environ)

    assert (status, parsed) == ("200 OK", ['"dark"', "x"])


def test_a_chunked_body_is_read(serve, owner):
    body = json.dumps(PATIENT).encode()

    status, answer = serve(chunked(body, owner, **{"wsgi.input_terminated": True}))

    assert (status, json.loads(answer)["name"]) == ("201 Created", PATIENT["name"])
    assert owner.get("/api/patients/").json()[0]["name"] == PATIENT["name"]


def test_a_chunked_body_of_more_than_a_megabyte_is_refused(serve, owner):
    environ = chunked(b" " * (3 * MEGABYTE), owner, **{"wsgi.input_terminated": True})

    status, answer = serve(environ)

    assert status == "413 Request Entity Too Large"
    assert json.loads(answer) == {"detail": f"The body is larger than {MEGABYTE} bytes."}


def test_a_chunked_body_that_the_server_did_not_decode_is_refused(serve, owner):
    status, _ = serve(chunked(b"0\r\n\r\n", owner))

    assert status == "411 Length Required"
