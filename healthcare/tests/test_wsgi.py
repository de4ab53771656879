"""The WSGI application."""

import json
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from django.test.client import encode_multipart

from conftest import PASSWORD, PATIENT

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


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("application/json; charset=rot13", "application/json"),
        ("a/b;" + ";" * 8_000, "a/b"),
        ('a/b; a="' + ";" * 8_000, "a/b"),
        ("multipart/form-data; boundary=a1; x=y", 'multipart/form-data; boundary="a1"'),
        ('multipart/form-data; x; boundary="a;1"', 'multipart/form-data; boundary="a;1"'),
        ("multipart/form-data; boundary=a1 ; x=y", 'multipart/form-data; boundary="a1"'),
        ("text/csv", "text/csv"),
    ],
)
def test_a_content_type_keeps_no_parameter_but_the_boundary(serve, sent, seen):
    environ = RequestFactory().get("/healthz?a=b%ff").environ | {"CONTENT_TYPE": sent}

    assert serve(environ)[0] == "200 OK"
    assert environ["CONTENT_TYPE"] == seen


@pytest.mark.parametrize(
    ("header", "times"), [("form-data" + ";" * 960, 1), ('form-data; a="' + ";" * 900, 1), ("form-data", 2_000)]
)
def test_too_many_parts_or_parameters_are_refused_before_they_are_parsed(serve, monkeypatch, header, times):
    body = f"--b\r\nContent-Disposition: {header}\r\n\r\nx\r\n".encode() * times + b"--b--"
    request = RequestFactory().post(
        "/admin/login/", body, "multipart/form-data; boundary=b", headers={"Cookie": f"csrftoken={'a' * 32}"}
    )
    parsed = []
    monkeypatch.setattr("django.http.multipartparser.MultiPartParser.parse", lambda *args: parsed.append(args))

    status, _ = serve(request.environ)

    assert (status, parsed) == ("400 Bad Request", [])


@pytest.mark.parametrize("content", [b"name;age;gender\n" + b"Ann;30;female\n" * 500, b"PK" + b";" * 50_000])
def test_the_parameters_in_a_file_are_not_counted(serve, content):
    body = encode_multipart("b1", {"import_file": SimpleUploadedFile("x.csv", content)})
    request = RequestFactory().post("/admin/login/", body, "multipart/form-data; boundary=b1")

    # Refused for its missing token, after it has been parsed.
    assert serve(request.environ)[0] == "403 Forbidden"


def test_a_form_of_several_parts_is_read(serve, staff):
    boundary, token = "b", "a" * 32
    fields = {"username": staff.user.email, "password": PASSWORD, "csrfmiddlewaretoken": token}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    request = RequestFactory().post(
        "/admin/login/",
        "".join([*parts, "--b--"]).encode(),
        f"multipart/form-data; boundary={boundary}",
        headers={"Cookie": f"csrftoken={token}"},
    )

    assert serve(request.environ)[0] == "302 Found"


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
