"""Django's PostgreSQL backend with time-outs in server and client, and a health check without a round trip.

The server cancels statements by `statement_timeout`. A frozen server neither responds nor closes its socket, and TCP
does not detect it because the kernel still acknowledges. So psycopg2's wait callback
(https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries) enforces a deadline for every wait.
"""

import re
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg2 import extensions

# For DB_TIMEOUT seconds after a time-out, new connection attempts get only this long, so that queued requests do not
# each wait for the full time-out.
PROBE_SECONDS = 0.5
# How long a read-only session is reused; the server may accept writes again at any time.
READ_ONLY_SECONDS = 2
# Statements that can share an implicit transaction; CREATE DATABASE, for example, cannot.
QUERY = re.compile(r"[\s(]*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)

_EVENTS = {
    extensions.POLL_READ: select.POLLIN,
    extensions.POLL_WRITE: select.POLLOUT,
}
_suspect_until = 0.0
# Time-out of the current connection attempt to one of several hosts, in seconds.
_attempt = threading.local()
# Index of the host that accepted writes the last time.
_primary = 0


class TimedOut(psycopg2.OperationalError):
    pass


def wait(connection: extensions.connection) -> None:
    """Wait for the server's response on `connection`; raise TimedOut after DB_TIMEOUT or PROBE_SECONDS."""
    global _suspect_until
    started = time.monotonic()
    probing = connection.status == extensions.STATUS_SETUP and started < _suspect_until
    seconds = PROBE_SECONDS if probing else getattr(_attempt, "seconds", settings.DB_TIMEOUT)
    while (state := connection.poll()) != extensions.POLL_OK:
        poller = select.poll()
        poller.register(connection.fileno(), _EVENTS[state])
        if not poller.poll(max(0, started + seconds - time.monotonic()) * 1000):
            if not probing:
                _suspect_until = time.monotonic() + settings.DB_TIMEOUT
            raise TimedOut(f"the database did not respond within {seconds:g} s")


extensions.set_wait_callback(wait)


@contextmanager
def without_deadlines() -> Iterator[None]:
    """Wait without time-outs in the whole process. COPY requires this, as psycopg2 cannot copy with a wait callback."""
    extensions.set_wait_callback(None)
    try:
        yield
    finally:
        extensions.set_wait_callback(wait)


class Cursor(extensions.cursor):
    """A cursor that sets `statement_timeout` together with the first statement of each transaction.

    Both are sent in one message, without an additional round trip. Poolers in transaction mode drop session settings
    and refuse them as startup options.
    """

    def execute(self, sql: Any, params: Any = None) -> None:
        idle = self.connection.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE
        if idle and (not self.connection.autocommit or (isinstance(sql, str) and QUERY.match(sql))):
            # Below the client's deadline, so that slow statements differ from a frozen server, and so that the server
            # does not execute a statement after the client was asked to retry.
            milliseconds = min(settings.DB_TIMEOUT * 900, 2**31 - 1)
            sql = f"SET LOCAL statement_timeout = {milliseconds}; {sql}"
        super().execute(sql, params)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return super().get_connection_params() | {"cursor_factory": Cursor}

    def get_new_connection(self, conn_params: dict[str, Any]) -> extensions.connection:
        """Return a connection to the host, or to the first of several hosts that accepts writes.

        libpq can try several hosts, but ignores `connect_timeout` for connections that are polled
        (https://github.com/psycopg/psycopg2/issues/1253), so one frozen host would consume the whole time-out.
        """
        global _primary
        hosts, ports = (str(conn_params.get(name, "")).split(",") for name in ("host", "port"))
        if len(hosts) == 1:
            return super().get_new_connection(conn_params)
        _attempt.seconds = settings.DB_TIMEOUT / len(hosts)
        failure = None
        try:
            for index in sorted(range(len(hosts)), key=lambda index: index != _primary):
                target = {"host": hosts[index], "port": ports[index % len(ports)]}
                try:
                    connection = super().get_new_connection(conn_params | target)
                except psycopg2.OperationalError as error:
                    failure = error
                else:
                    _primary = index
                    return connection
        finally:
            del _attempt.seconds
        raise failure or psycopg2.OperationalError("no host is configured")

    def init_connection_state(self) -> None:
        super().init_connection_state()
        # Reported by the server when the connection opens (PostgreSQL 14 and later).
        reported = self.connection.info.parameter_status
        if "on" in (reported("in_hot_standby"), reported("default_transaction_read_only")):
            self.close_at = min(self.close_at or float("inf"), time.monotonic() + READ_ONLY_SECONDS)

    def is_usable(self) -> bool:
        """Return whether the connection works and, after a failed statement, still accepts writes.

        When a server stops, its socket becomes readable (end of file); otherwise no round trip is needed.
        """
        if self.connection is None or self.connection.closed:
            return False
        if not self.errors_occurred and not _is_readable(self.connection):
            return True
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                return cursor.fetchone() == ("off",)
        except psycopg2.Error:
            return False


def _is_readable(connection: extensions.connection) -> bool:
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return bool(poller.poll(0))
