"""gunicorn settings: https://gunicorn.org/reference/settings/."""

import select
import sys
from contextlib import suppress
from socket import socket
from typing import Any

from django.apps import apps
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

# Seconds that a thread waits for the next request on a connection before it returns the connection to the main thread.
LINGER_SECONDS = 0.01
MALFORMED = '{"detail":"The request is malformed, or its address or headers are too long."}'
TOO_MANY = (
    "%d workers with %d threads may open %d connections, and PostgreSQL allows %d: "
    "lower WORKERS, raise max_connections, or put PgBouncer in between"
)
FAILED = '{"detail":"A server error occurred."}'


class Worker(ThreadWorker):
    """gunicorn's threaded worker, with changed thread reuse, shutdown and error responses."""

    def handle(self, conn: TConn) -> object:
        """Serve further requests of the connection on the same thread, unless another connection waits for a thread.

        The stock worker returns the connection to its main thread after each response, which takes more CPU time.
        """
        keep_alive = super().handle(conn)
        while keep_alive is True and self.busy() <= self.cfg.threads and has_next_request(conn):
            keep_alive = super().handle(conn)
        return keep_alive

    def busy(self) -> int:
        """Return the number of connections that have or wait for a thread; other threads may change it."""
        return self.nr_conns - len(self.keepalived_conns) - len(self.pending_conns)

    def is_parent_alive(self) -> bool:
        """Also stop the threads if the master was killed; the stock worker stops only its main thread."""
        if not super().is_parent_alive():
            self.alive = False
        return self.alive

    def set_accept_enabled(self, enabled: bool) -> None:
        """At shutdown, accept the connections in the listener's queue before closing it.

        The stock worker leaves the listener open until it exits; the kernel then resets queued connections.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                for _ in range(self.cfg.backlog):
                    self.accept(listener)
                listener.close()

    def handle_error(self, req: object, client: socket, addr: object, error: Exception) -> None:
        """Respond in JSON and log only the error's type: gunicorn's message quotes the URL, which may contain names."""
        malformed = isinstance(error, ParseException)
        status, body = ("400 Bad Request", MALFORMED) if malformed else ("500 Internal Server Error", FAILED)
        self.log.error("%s: %s", status, type(error).__name__, exc_info=None if malformed else error)
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\nCache-Control: no-store\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}"
        )
        with suppress(OSError):
            client.sendall(f"{head}\r\n\r\n{body}".encode())


def has_next_request(conn: TConn) -> bool:
    """Wait up to LINGER_SECONDS for the next request of the client."""
    if conn.parser.unreader.buf.getvalue():
        return True
    poller = select.poll()
    poller.register(conn.sock, select.POLLIN)
    return bool(poller.poll(LINGER_SECONDS * 1000))


def when_ready(server: Any) -> None:
    """Warn where the threads may open more connections than PostgreSQL allows."""
    # APP may be an application without Django.
    if apps.ready:
        from healthcare.checks import allowed_connections

        needed, allowed = server.cfg.workers * server.cfg.threads, allowed_connections()
        if allowed is not None and needed > allowed:
            server.log.warning(TOO_MANY, server.cfg.workers, server.cfg.threads, needed, allowed)


worker_class = Worker
# A streamed list occupies a thread until the client, or nginx, has read it.
threads = 16
# Shorter than Python's default of 0.005, so that threads that encode long lists delay other requests less.
sys.setswitchinterval(0.001)
# Load the project before opening the port, so that no client waits for it.
preload_app = True
# Longer than nginx's 60 s for upstream connections, so that gunicorn never closes one that nginx is about to use.
keepalive = 75
# Seconds after SIGTERM to complete requests in flight.
graceful_timeout = 30
# Django reads X-Forwarded-* according to TRUSTED_PROXIES; gunicorn would trust every client on this machine.
forwarded_allow_ips = ""
# The same limit as nginx.
limit_request_line = 8190
# Controlled by signals only.
control_socket_disable = True
# Use the project's log format, without exception messages, which may quote records.
logconfig_dict = {
    "formatters": {"json": {"()": "healthcare.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        # It warns at every HEAD request, because Django leaves it to the server to drop the body.
        "gunicorn.http.wsgi": {"level": "ERROR"},
    },
}
