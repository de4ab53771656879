"""How gunicorn serves the project: https://gunicorn.org/reference/settings/."""

import select
from contextlib import suppress
from socket import socket

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

# Seconds that a thread waits for its client's next request, and that another client may wait for the thread.
LINGER = 0.01
NOT_HTTP = '{"detail":"The request is malformed, or its address or headers are too long."}'
FAILED = '{"detail":"A server error occurred."}'


class Worker(ThreadWorker):
    """gunicorn's threads, but for the time between two requests, the end, and requests the project never sees."""

    def handle(self, conn: TConn) -> object:
        """Answer a request, and on the same thread those that follow within LINGER, while there are threads for all.

        The stock worker passes the connection to its main thread and back each time, which costs more than the wait.
        """
        kept = super().handle(conn)
        while kept is True and self.busy() <= self.cfg.threads and followed(conn):
            kept = super().handle(conn)
        return kept

    def busy(self) -> int:
        """Return how many connections have a thread or wait for one, give or take those that change this moment."""
        return self.nr_conns - len(self.keepalived_conns) - len(self.pending_conns)

    def is_parent_alive(self) -> bool:
        """Also tell the threads, which would otherwise serve on, when the master was killed."""
        if not super().is_parent_alive():
            self.alive = False
        return self.alive

    def set_accept_enabled(self, enabled: bool) -> None:
        """When told to stop, also answer whoever the kernel let in before the port closed.

        The stock worker leaves them in the listener's queue, lets more join them, and resets them all when it ends.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                for _ in range(self.cfg.backlog):
                    self.accept(listener)
                listener.close()

    def handle_error(self, req: object, client: socket, addr: object, error: Exception) -> None:
        """Answer in JSON, and log the kind of error: gunicorn's own words repeat the URL, and names may stand in it."""
        malformed = isinstance(error, ParseException)
        status, body = ("400 Bad Request", NOT_HTTP) if malformed else ("500 Internal Server Error", FAILED)
        self.log.error("%s: %s", status, type(error).__name__, exc_info=None if malformed else error)
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\nCache-Control: no-store\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}"
        )
        with suppress(OSError):
            client.sendall(f"{head}\r\n\r\n{body}".encode())


def followed(conn: TConn) -> bool:
    """Wait for the next request, and tell whether one begins."""
    if conn.parser.unreader.buf.getvalue():
        return True
    poller = select.poll()
    poller.register(conn.sock, select.POLLIN)
    return bool(poller.poll(LINGER * 1000))


worker_class = Worker
# A long list keeps a thread until its client has read it.
threads = 16
# Longer than nginx keeps its connections to us (60 s), so that it is never the one to write into a closed one.
keepalive = 75
# Seconds, after SIGTERM, for requests in flight.
graceful_timeout = 30
# The project believes X-Forwarded-* as TRUSTED_PROXIES says; gunicorn would believe whoever is on this machine.
forwarded_allow_ips = ""
# As much as nginx takes.
limit_request_line = 8190
# Nobody commands it but by signals.
control_socket_disable = True
