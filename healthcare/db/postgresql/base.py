"""Django's PostgreSQL backend with time-outs on both sides and a health check that costs no round trip.

The server ends a statement by `statement_timeout`. A frozen server never answers and never closes its socket, and TCP
does not notice either (the kernel still acknowledges). So every wait for the server goes through psycopg2's wait
callback (https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries), which has a deadline.
"""

import re
import select
import threading
import time
from typing import Any

import psycopg2
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg2 import extensions

# Requests queue behind one that waits for a silent server and must not wait as long again: for DB_TIMEOUT seconds after
# a time-out, a new connection attempt may take no longer than this.
PROBE_SECONDS = 0.5
# How long a session that was opened read-only is kept: the server may accept writes again at any time.
READ_ONLY_SECONDS = 2
# The statements that may share an implicit transaction; CREATE DATABASE, for one, may not.
QUERY = re.compile(r"[\s(]*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)

_EVENTS = {
    extensions.POLL_READ: select.POLLIN,
    extensions.POLL_WRITE: select.POLLOUT,
}
_suspect_until = 0.0
# Seconds that one of several hosts may take, while it is being tried.
_attempt = threading.local()
# Which of several hosts took writes the last time.
_primary = 0


class TimedOut(psycopg2.OperationalError):
    pass


def wait(connection: extensions.connection) -> None:
    """Wait for the server's answer on `connection`; raise TimedOut after DB_TIMEOUT or, as above, PROBE_SECONDS."""
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
            raise TimedOut(f"the database did not answer within {seconds:g} s")


extensions.set_wait_callback(wait)


class Cursor(extensions.cursor):
    """A cursor whose first statement of each transaction sets the `statement_timeout` of that transaction.

    Both travel in one message, so it costs no round trip, and a pooler in transaction mode keeps it: such a pooler
    drops the settings of a session and refuses them as a startup option.
    """

    def execute(self, sql: Any, params: Any = None) -> None:
        idle = self.connection.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE
        if idle and (not self.connection.autocommit or (isinstance(sql, str) and QUERY.match(sql))):
            # Below the client's own deadline: a slow statement must not look like a server that is silent, and the
            # server must not execute later what the client was asked to retry.
            milliseconds = min(settings.DB_TIMEOUT * 900, 2**31 - 1)
            sql = f"SET LOCAL statement_timeout = {milliseconds}; {sql}"
        super().execute(sql, params)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return super().get_connection_params() | {"cursor_factory": Cursor}

    def get_new_connection(self, conn_params: dict[str, Any]) -> extensions.connection:
        """Return a connection to the host, or to the first of several that takes writes.

        libpq would try several by itself, but ignores `connect_timeout` while its connection is polled
        (https://github.com/psycopg/psycopg2/issues/1253): one silent host would use up the time of all.
        """
        global _primary
        hosts, ports = (str(conn_params.get(name, "")).split(",") for name in ("host", "port"))
        if len(hosts) == 1:
            return super().get_new_connection(conn_params)
        _attempt.seconds = settings.DB_TIMEOUT / len(hosts)
        failure = None
        try:
            for index in sorted(range(len(hosts)), key=lambda index: index != _primary):
                one = {"host": hosts[index], "port": ports[index % len(ports)]}
                try:
                    connection = super().get_new_connection(conn_params | one)
                except psycopg2.OperationalError as error:
                    failure = error
                else:
                    _primary = index
                    return connection
        finally:
            del _attempt.seconds
        raise failure or psycopg2.OperationalError("no host is named")

    def init_connection_state(self) -> None:
        super().init_connection_state()
        # Reported by the server when the connection opens (PostgreSQL 14 and later).
        reported = self.connection.info.parameter_status
        if "on" in (reported("in_hot_standby"), reported("default_transaction_read_only")):
            self.close_at = min(self.close_at or float("inf"), time.monotonic() + READ_ONLY_SECONDS)

    def is_usable(self) -> bool:
        """Return whether the connection works and, if a statement failed on it, still accepts writes.

        A server that has gone leaves an end-of-file to read, so a silent socket needs no round trip.
        """
        if self.connection is None or self.connection.closed:
            return False
        if not self.errors_occurred and not _has_news(self.connection):
            return True
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                return cursor.fetchone() == ("off",)
        except psycopg2.Error:
            return False


def _has_news(connection: extensions.connection) -> bool:
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return bool(poller.poll(0))
