"""What the server itself answers, before the project is asked."""

import re
import socket
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection

import pytest

from healthcare.settings import BASE_DIR

APPLICATION = """
import threading

def application(environ, start_response):
    told = f"{environ['wsgi.url_scheme']} {threading.get_ident()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(told)))])
    return [told]
"""
# The project's, with time enough for a test.
CONFIGURATION = """
exec(open("deploy/gunicorn.conf.py").read())
LINGER = 5
"""


@pytest.fixture
def server(tmp_path):
    """Serve an application that tells its scheme and thread; give (the server's port, its log)."""
    (tmp_path / "telling.py").write_text(APPLICATION)
    (tmp_path / "gunicorn.conf.py").write_text(CONFIGURATION)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "gunicorn", "--config", tmp_path / "gunicorn.conf.py", "--bind", "127.0.0.1:0"]
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603, a command of this file
            [*command, "--pythonpath", tmp_path, "telling"], cwd=BASE_DIR, stdout=output, stderr=output
        )
    deadline = time.monotonic() + 30
    while not (found := re.search(r"Listening at: http://127.0.0.1:(\d+)", log.read_text())):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    yield int(found[1]), log
    process.terminate()
    process.wait(30)


def ask(port, request):
    """Send bytes; return the head and the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body.decode()


@pytest.mark.parametrize(
    "request_line",
    [b"GET /api/patients/?search=Alice Smith HTTP/1.1", b"GET /api/patients/?search=Alice%s HTTP/1.1" % (b"x" * 8200)],
    ids=["a space", "too long"],
)
def test_a_malformed_request_is_answered_in_json_and_its_names_are_not_logged(server, request_line):
    port, log = server

    head, body = ask(port, request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert head.startswith("HTTP/1.1 400 Bad Request")
    assert {"Content-Type: application/json", "Cache-Control: no-store"} <= set(head.split("\r\n"))
    assert body == '{"detail":"The request is malformed, or its address or headers are too long."}'
    assert "400 Bad Request" in log.read_text()
    assert "Alice" not in log.read_text()


def test_the_server_believes_nobody_who_says_https(server):
    port, _ = server

    _, body = ask(port, b"GET / HTTP/1.0\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n\r\n")

    assert body.startswith("http ")


def test_a_connection_stays_on_its_thread_while_its_client_goes_on(server):
    port, _ = server

    with closing(HTTPConnection("127.0.0.1", port)) as one, closing(HTTPConnection("127.0.0.1", port)) as other:
        first, between, second = (thread_of(connection) for connection in (one, other, one))

    assert first == second != between


def thread_of(connection):
    connection.request("GET", "/")
    return connection.getresponse().read().split()[1]
