"""How gunicorn serves the project: https://gunicorn.org/reference/settings/."""

import select
import sys
from contextlib import suppress
from socket import socket

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

# How many seconds a thread waits for the next request of its client, and thus another client for a thread.
LINGER = 0.01
MALFORMED = '{"detail":"The request is malformed, or its address or headers are too long."}'
FAILED = '{"detail":"A server error occurred."}'


class Worker(ThreadWorker):
    """Change how gunicorn's threaded worker reuses a thread, shuts down, and answers requests Django never sees."""

    def handle(self, conn: TConn) -> object:
        """Answer a request, and on the same thread those that follow within LINGER, unless a client waits for a thread.

        The stock worker passes the connection to its main thread and back after each answer, which costs more.
        """
        kept = super().handle(conn)
        while kept is True and self.busy() <= self.cfg.threads and has_next_request(conn):
            kept = super().handle(conn)
        return kept

    def busy(self) -> int:
        """Return how many connections have a thread or wait for one; other threads may be changing the number."""
        return self.nr_conns - len(self.keepalived_conns) - len(self.pending_conns)

    def is_parent_alive(self) -> bool:
        """Also stop the threads after the master was killed; the stock worker stops only its main thread."""
        if not super().is_parent_alive():
            self.alive = False
        return self.alive

    def set_accept_enabled(self, enabled: bool) -> None:
        """At shutdown, accept every connection in the listener's queue before closing it.

        The stock worker leaves the listener open until it exits, and the kernel then resets what is in the queue.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                for _ in range(self.cfg.backlog):
                    self.accept(listener)
                listener.close()

    def handle_error(self, req: object, client: socket, addr: object, error: Exception) -> None:
        """Answer in JSON, and log only the error's type: gunicorn's message quotes the URL, which may hold names."""
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
    """Wait up to LINGER for the next request of the client."""
    if conn.parser.unreader.buf.getvalue():
        return True
    poller = select.poll()
    poller.register(conn.sock, select.POLLIN)
    return bool(poller.poll(LINGER * 1000))


worker_class = Worker
# A long list occupies a thread until the client, or nginx in front, has read it.
threads = 16
# Seconds after which a thread that computes hands over to one that waits (Python's own default is 0.005), so that long
# lists delay other requests less.
sys.setswitchinterval(0.001)
# Load the project before the port opens, so that no client waits for it.
preload_app = True
# Longer than the 60 s for which nginx keeps its connections, so that gunicorn never closes one that nginx still uses.
keepalive = 75
# Seconds after SIGTERM for requests in flight.
graceful_timeout = 30
# X-Forwarded-* is Django's to read, by TRUSTED_PROXIES; gunicorn would trust every client on this machine.
forwarded_allow_ips = ""
# The limit of nginx.
limit_request_line = 8190
# Signals are the only way to control it.
control_socket_disable = True
# The lines of the project's own log, and no text of exceptions, which may quote a record.
logconfig_dict = {
    "formatters": {"json": {"()": "healthcare.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        # It warns of every HEAD, as Django leaves the body of the answer to the server to drop.
        "gunicorn.http.wsgi": {"level": "ERROR"},
    },
}
