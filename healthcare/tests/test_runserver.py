"""The development server."""

import http.client
import json
import logging
import socket
import threading
from contextlib import ExitStack, closing
from io import BytesIO
from socketserver import ThreadingMixIn

import pytest
from django.core.management import get_commands, load_command_class
from django.db import connections

from conftest import PATIENT
from healthcare.management.commands.runserver import RequestHandler, Server, read_chunks

MEGABYTE = 1024 * 1024


class ThreadingServer(ThreadingMixIn, Server):
    """The server of `runserver`; closing it waits for its threads, which close their database connections."""

    def close_request(self, request):
        connections.close_all()
        super().close_request(request)


@pytest.fixture
def port(transactional_db):
    """Serve the project; return the port."""
    # Importing the application opens a database connection.
    from healthcare.wsgi import Application

    with ThreadingServer(("127.0.0.1", 0), RequestHandler) as server:
        server.set_app(Application())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def send(port, *chunks, token="", **headers):
    """Post the chunks to /api/patients/; return the status and the response."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", **headers}
        connection.request("POST", "/api/patients/", iter(chunks), headers, encode_chunked=True)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_runserver_is_the_projects_own():
    assert get_commands()["runserver"] == "healthcare"
    assert load_command_class("healthcare", "runserver").server_cls is Server


def test_a_chunked_body_is_read(owner, port):
    body = json.dumps(PATIENT).encode()

    status, answer = send(port, body[:10], body[10:], token=owner.token)

    assert (status, answer["name"]) == (201, PATIENT["name"])
    assert owner.get("/api/patients/").json()[0]["name"] == PATIENT["name"]


def test_a_chunked_body_of_more_than_a_megabyte_is_refused(owner, port):
    status, answer = send(port, *[b" " * MEGABYTE] * 3, token=owner.token)

    assert (status, answer) == (413, {"detail": f"The body is larger than {MEGABYTE} bytes."})


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /?search=Alice Smith HTTP/1.1\r\n\r\n",
        b"POST /api/patients/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nAlice\r\n",
    ],
)
def test_a_malformed_request_is_answered_in_json(port, request_bytes):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request_bytes)
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body) == {"detail": "The request is malformed, or its address or headers are too long."}


def test_the_query_of_a_failed_request_is_not_logged(caplog):
    def failing(environ, start_response):
        start_response("503 Service Unavailable", [("Content-Length", "0")])
        return [b""]

    logging.getLogger("django.server").addHandler(caplog.handler)
    with ThreadingServer(("127.0.0.1", 0), RequestHandler) as server:
        server.set_app(failing)
        threading.Thread(target=server.handle_request).start()
        with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)) as connection:
            connection.request("GET", "/api/patients/?search=Alice", headers={"Connection": "close"})
            status = connection.getresponse().status
    logging.getLogger("django.server").removeHandler(caplog.handler)

    assert status == 503
    assert "Alice" not in caplog.text


def test_clients_wait_for_a_busy_server_instead_of_being_refused():
    # Nothing accepts the connections, so the kernel queues them up to the backlog.
    with ThreadingServer(("127.0.0.1", 0), RequestHandler) as server, ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.server_port), timeout=2))
            for _ in range(100)
        ]

    assert len(connections) == 100


def test_a_chunk_is_read_in_pieces_whatever_size_it_announces():
    sizes = []

    class Stream(BytesIO):
        def read(self, size):
            sizes.append(size)
            return super().read(size)

    with pytest.raises(ValueError, match="ends within a chunk"):
        read_chunks(Stream(b"ffffffff\r\nabc"), 10)

    assert max(sizes) <= 65536
