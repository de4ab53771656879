"""The gunicorn configuration: threads, shutdown, and errors outside of Django."""

import json
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
from http.client import HTTPConnection, IncompleteRead

import pytest

from healthcare.settings import BASE_DIR

APPLICATION = """
import os, threading, time

time.sleep(1)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/broken":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return broken()
    if environ["PATH_INFO"] == "/echo":
        answer = environ["wsgi.input"].read()
    else:
        answer = f"{environ['wsgi.url_scheme']} {os.getpid()} {threading.get_ident()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]


def broken():
    yield b"the first row"
    raise RuntimeError("ecilA"[::-1])
"""
# The project's configuration with longer times.
CONFIGURATION = """
exec(open("deploy/gunicorn.conf.py").read())
LINGER_SECONDS, threads = 5, {threads}
"""


@pytest.fixture
def server(tmp_path, request):
    """Serve an application that returns its scheme, process and thread; yield (port, log, the process started)."""
    (tmp_path / "served.py").write_text(APPLICATION)
    (tmp_path / "gunicorn.conf.py").write_text(CONFIGURATION.format(threads=getattr(request, "param", 16)))
    log = tmp_path / "log"
    command = [sys.executable, "-m", "gunicorn", "--config", tmp_path / "gunicorn.conf.py", "--bind", "127.0.0.1:0"]
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603, a command of this file
            [*command, "--pythonpath", tmp_path, "served"], cwd=BASE_DIR, stdout=output, stderr=output
        )
    deadline = time.monotonic() + 30
    while not (found := re.search(r"Listening at: http://127.0.0.1:(\d+)", log.read_text())):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
    yield int(found[1]), log, process
    process.terminate()
    process.wait(30)


def ask(port, request):
    """Send bytes; return the head and the body of the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body.decode()


def test_the_port_opens_once_the_application_is_loaded(server):
    port, *_ = server
    started = time.monotonic()

    with connected(port) as connection:
        thread_and_process(connection)

    # Loading the application takes one second.
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize(
    "request_line",
    [b"GET /api/patients/?search=Alice Smith HTTP/1.1", b"GET /api/patients/?search=Alice%s HTTP/1.1" % (b"x" * 8200)],
    ids=["a space", "too long"],
)
def test_a_malformed_request_is_answered_in_json_and_not_logged(server, request_line):
    port, log, _ = server

    head, body = ask(port, request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert head.startswith("HTTP/1.1 400 Bad Request")
    assert {"Content-Type: application/json", "Cache-Control: no-store"} <= set(head.split("\r\n"))
    assert body == '{"detail":"The request is malformed, or its address or headers are too long."}'
    assert "400 Bad Request" in log.read_text()
    assert "Alice" not in log.read_text()


def test_an_error_in_a_streamed_response_aborts_it_and_its_message_is_not_logged(server):
    port, log, _ = server

    with connected(port) as connection:
        connection.request("GET", "/broken")
        answer = connection.getresponse()
        with pytest.raises(IncompleteRead):
            answer.read()

    assert '"traceback"' in log.read_text()
    assert "Alice" not in log.read_text()


def test_a_head_request_logs_no_warning(server):
    port, log, _ = server

    with connected(port) as connection:
        connection.request("HEAD", "/")
        answer = connection.getresponse()

    assert (answer.status, answer.read()) == (200, b"")
    assert {json.loads(line)["level"] for line in log.read_text().splitlines()} == {"info"}


def test_a_chunked_body_is_decoded(server):
    port, *_ = server

    with connected(port) as connection:
        connection.request("POST", "/echo", iter([b"one ", b"two"]), encode_chunked=True)
        answer = connection.getresponse().read()

    assert answer == b"one two"


def test_x_forwarded_proto_of_a_client_is_not_trusted(server):
    port, *_ = server

    _, body = ask(port, b"GET / HTTP/1.0\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n\r\n")

    assert body.startswith("http ")


def test_a_connection_stays_on_its_thread_while_its_client_sends_requests(server):
    port, *_ = server

    with connected(port) as one, connected(port) as other:
        (first, _), (between, _), (second, _) = map(thread_and_process, (one, other, one))

    assert first == second != between


@pytest.mark.parametrize("server", [1], indirect=True)
def test_a_client_that_never_pauses_does_not_block_other_clients(server):
    port, *_ = server
    done = threading.Event()

    with connected(port) as busy, connected(port) as other, ThreadPoolExecutor(1) as pool:
        thread_and_process(busy)
        sending = pool.submit(send_requests, busy, done.is_set)
        try:
            assert thread_and_process(other)
        finally:
            done.set()
        assert sending.result()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_ends_with_its_master_even_if_a_client_keeps_sending(server, how):
    port, _, master = server

    with connected(port) as connection:
        _, worker = thread_and_process(connection)
        master.send_signal(how)
        try:
            assert send_requests(connection, lambda: False) == "close"
        finally:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def connected(port):
    return closing(HTTPConnection("127.0.0.1", port, timeout=10))


def thread_and_process(connection):
    """Return the thread and process that served a request."""
    connection.request("GET", "/")
    _, process, thread = connection.getresponse().read().split()
    return int(thread), int(process)


def send_requests(connection, done):
    """Send requests until `done()` or the server closes the connection; return its last `Connection` header."""
    deadline = time.monotonic() + 10
    header = None
    while header != "close" and not done():
        assert time.monotonic() < deadline
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        header = answer.headers["Connection"]
    return header
