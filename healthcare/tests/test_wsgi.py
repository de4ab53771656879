"""The application that servers import."""

import json
from io import BytesIO

import pytest
from django.test import RequestFactory

from conftest import PATIENT

MEGABYTE = 1024 * 1024


@pytest.fixture
def serve(transactional_db):
    """Return a function that answers a request as a server does; it returns the status and the body."""
    # Importing it opens a connection to the database.
    from healthcare.wsgi import application

    def answer(environ):
        statuses = []
        body = b"".join(application(environ, lambda status, headers: statuses.append(status)))
        return statuses[0], body

    return answer


def chunked(body, user, **environ):
    """Return a POST of a patient without a Content-Length, as a server passes on one with a chunked body."""
    request = RequestFactory().post(
        "/api/patients/", content_type="application/json", headers={"Authorization": f"Bearer {user.token}"}
    )
    sent = {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    return request.environ | sent | environ


def test_the_application_answers(serve):
    assert serve(RequestFactory().get("/healthz").environ) == ("200 OK", b'{"status":"alive"}')


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
