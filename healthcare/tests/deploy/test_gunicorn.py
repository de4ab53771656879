"""What the server itself answers, before the project is asked."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection

import pytest

from healthcare.settings import BASE_DIR

APPLICATION = """
import os, threading

def application(environ, start_response):
    told = f"{environ['wsgi.url_scheme']} {os.getpid()} {threading.get_ident()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(told)))])
    return [told]
"""
# The project's, with time enough for a test.
CONFIGURATION = """
exec(open("deploy/gunicorn.conf.py").read())
LINGER, threads = 5, {threads}
"""


@pytest.fixture
def server(tmp_path, request):
    """Serve an application that tells its scheme, process and thread; give (port, log, the process started)."""
    (tmp_path / "telling.py").write_text(APPLICATION)
    (tmp_path / "gunicorn.conf.py").write_text(CONFIGURATION.format(threads=getattr(request, "param", 16)))
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
    yield int(found[1]), log, process
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
    port, log, _ = server

    head, body = ask(port, request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert head.startswith("HTTP/1.1 400 Bad Request")
    assert {"Content-Type: application/json", "Cache-Control: no-store"} <= set(head.split("\r\n"))
    assert body == '{"detail":"The request is malformed, or its address or headers are too long."}'
    assert "400 Bad Request" in log.read_text()
    assert "Alice" not in log.read_text()


def test_the_server_believes_nobody_who_says_https(server):
    port, *_ = server

    _, body = ask(port, b"GET / HTTP/1.0\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n\r\n")

    assert body.startswith("http ")


def test_a_connection_stays_on_its_thread_while_its_client_goes_on(server):
    port, *_ = server

    with connected(port) as one, connected(port) as other:
        (first, *_), (between, *_), (second, *_) = map(told, (one, other, one))

    assert first == second != between


@pytest.mark.parametrize("server", [1], indirect=True)
def test_a_client_that_goes_on_and_on_leaves_a_thread_to_others(server):
    port, *_ = server
    done = threading.Event()

    with connected(port) as busy, connected(port) as other, ThreadPoolExecutor(1) as pool:
        told(busy)
        going = pool.submit(go_on, busy, done.is_set)
        try:
            assert told(other)
        finally:
            done.set()
        assert going.result()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_ends_with_its_master_though_a_client_goes_on(server, how):
    port, _, master = server

    with connected(port) as connection:
        _, worker = told(connection)
        master.send_signal(how)
        try:
            assert go_on(connection, lambda: False) == "close"
        finally:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def connected(port):
    return closing(HTTPConnection("127.0.0.1", port, timeout=10))


def told(connection):
    """Return (thread, process) of a request's answer."""
    connection.request("GET", "/")
    _, process, thread = connection.getresponse().read().split()
    return int(thread), int(process)


def go_on(connection, done):
    """Send one request after another until `done()` or the server says that it closes; return what it said last."""
    deadline = time.monotonic() + 10
    said = None
    while said != "close" and not done():
        assert time.monotonic() < deadline
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        said = answer.headers["Connection"]
    return said
