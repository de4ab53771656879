"""Django's PostgreSQL backend plus a client-side time-out and a health check that costs no round trip.

A server that is frozen, not dead, never answers and never closes its socket: neither `statement_timeout` (the server's)
nor TCP (the kernel still acknowledges) notices. So every wait for the server goes through psycopg2's wait callback
(https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries), with a deadline.
"""

import select
import time
from typing import Any

import psycopg2
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg2 import extensions

# Requests queue behind one that waits for a silent server, and must not wait as long again: once anything timed out, a
# new connection is given so long only, for DB_TIMEOUT seconds and a bit. One that is given up has the next ones refused
# at once for a moment. A slow statement alone refuses nobody: the server that works on it answers others.
PROBE_SECONDS = 0.5
REFUSE_SECONDS = 1.0

_EVENTS = {
    extensions.POLL_READ: select.POLLIN,
    extensions.POLL_WRITE: select.POLLOUT,
}
_suspect_until = 0.0
_refuse_until = 0.0


class TimedOut(psycopg2.OperationalError):
    pass


def wait(connection: extensions.connection) -> None:
    """Wait for `connection` to finish what it does; raise TimedOut after DB_TIMEOUT seconds, or sooner (see above)."""
    global _suspect_until, _refuse_until
    started = time.monotonic()
    connecting = connection.status == extensions.STATUS_SETUP
    probing = connecting and started < _suspect_until
    seconds = PROBE_SECONDS if probing else settings.DB_TIMEOUT
    while (state := connection.poll()) != extensions.POLL_OK:
        poller = select.poll()
        poller.register(connection.fileno(), _EVENTS[state])
        if not poller.poll(max(0, started + seconds - time.monotonic()) * 1000):
            now = time.monotonic()
            if connecting:
                _refuse_until = now + REFUSE_SECONDS
            if not probing:
                _suspect_until = now + REFUSE_SECONDS + settings.DB_TIMEOUT
            raise TimedOut(f"the database did not answer within {seconds:g} s")


extensions.set_wait_callback(wait)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> extensions.connection:
        if time.monotonic() < _refuse_until:
            raise psycopg2.OperationalError("the database did not answer a moment ago")
        return super().get_new_connection(conn_params)

    @property
    def lock_timeout(self) -> int:
        """Return how many milliseconds to wait for a lock: fewer than the client waits for the whole statement.

        Otherwise the server would go on waiting, and then store what the client was told to try again; and a row that
        somebody keeps locked would look like a server that is silent.
        """
        return settings.DB_TIMEOUT * 900

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # the stubs lack it
        # For each transaction anew: a pooler keeps no setting of a session.
        if not autocommit:
            with self.wrap_database_errors, self.connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = %s", [self.lock_timeout])

    def is_usable(self) -> bool:
        """Tell whether the connection still works.

        A server that went away leaves an end-of-file to read; a quiet socket needs no question over the network.
        """
        if self.connection is None or self.connection.closed:
            return False
        if self.errors_occurred or _has_news(self.connection):
            return super().is_usable()
        return True


def _has_news(connection: extensions.connection) -> bool:
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return bool(poller.poll(0))
