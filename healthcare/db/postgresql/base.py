"""Django's PostgreSQL backend plus a client-side time-out and a health check that costs no round trip.

A server that is frozen, not dead, never answers and never closes its socket: neither `statement_timeout` (the server's)
nor TCP (the kernel still acknowledges) notices. So every wait for the server goes through psycopg2's wait callback
(https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries), with a deadline.
"""

import select
import time

import psycopg2
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg2 import extensions

# Requests queue behind one that waits for a silent server, and must not wait as long again: once anything timed out, a
# new connection is given so long only, for DB_TIMEOUT seconds.
PROBE_SECONDS = 0.5

_EVENTS = {
    extensions.POLL_READ: select.POLLIN,
    extensions.POLL_WRITE: select.POLLOUT,
}
_suspect_until = 0.0


class TimedOut(psycopg2.OperationalError):
    pass


def wait(connection: extensions.connection) -> None:
    """Wait for `connection` to finish what it does; raise TimedOut after DB_TIMEOUT seconds, or sooner (see above)."""
    global _suspect_until
    started = time.monotonic()
    probing = connection.status == extensions.STATUS_SETUP and started < _suspect_until
    seconds = PROBE_SECONDS if probing else settings.DB_TIMEOUT
    while (state := connection.poll()) != extensions.POLL_OK:
        poller = select.poll()
        poller.register(connection.fileno(), _EVENTS[state])
        if not poller.poll(max(0, started + seconds - time.monotonic()) * 1000):
            if not probing:
                _suspect_until = time.monotonic() + settings.DB_TIMEOUT
            raise TimedOut(f"the database did not answer within {seconds:g} s")


extensions.set_wait_callback(wait)


class DatabaseWrapper(base.DatabaseWrapper):
    @property
    def lock_timeout(self) -> int:
        """Return how many milliseconds to wait for a lock: fewer than the client waits for the whole statement.

        Otherwise the server would go on waiting, and then store what the client was told to try again; and a row that
        somebody keeps locked would look like a server that is silent. It holds in transactions and compiled writes.
        """
        return min(settings.DB_TIMEOUT * 900, 2**31 - 1)

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
