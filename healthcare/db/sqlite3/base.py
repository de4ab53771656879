"""Django's SQLite backend plus a time limit for statements and FOLD(text), lower case by Unicode's rules.

The database file and the files that SQLite writes beside it are readable by their owner alone.
"""

import time
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from django.conf import settings
from django.db.backends.sqlite3 import base

from healthcare.db.functions import fold, searchable

# SQLite asks whether to go on each time it has carried out so many instructions of its virtual machine.
INSTRUCTIONS = 1_000


class TimedConnection(Connection):
    """A connection that interrupts what runs longer than DB_TIMEOUT seconds (SQLite has no such setting)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadline = float("inf")
        self.set_progress_handler(lambda: time.monotonic() > self.deadline, INSTRUCTIONS)

    def start_clock(self) -> None:
        self.deadline = time.monotonic() + settings.DB_TIMEOUT


class Cursor(base.SQLiteCursorWrapper):
    connection: TimedConnection

    def execute(self, query: str, params: Any = None) -> Any:
        self.connection.start_clock()
        return super().execute(query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        self.connection.start_clock()
        return super().executemany(query, param_list)

    # SQLite looks for rows as they are fetched; what the caller does in between does not count.
    def fetchmany(self, size: int | None = 1) -> list[Any]:
        self.connection.start_clock()
        return super().fetchmany(size)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return super().get_connection_params() | {"factory": TimedConnection}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        if not self.is_in_memory_db():
            # Only where there is no file yet. SQLite reports a failure itself; and opening and closing a file in use
            # would drop this process's locks on it (https://www.sqlite.org/howtocorrupt.html, section 2.2).
            with suppress(OSError):
                Path(conn_params["database"]).touch(mode=0o600, exist_ok=False)
        connection = super().get_new_connection(conn_params)
        add_functions(connection)
        return connection

    def create_cursor(self, name: str | None = None) -> Cursor:
        return self.connection.cursor(factory=Cursor)


def add_functions(connection: Connection) -> None:
    """Add the functions that indexes, constraints and searches use: Django's, FOLD and SEARCHABLE."""
    base.register_functions(connection)  # type: ignore[attr-defined]  # missing from the stubs
    connection.create_function("FOLD", 1, lambda text: None if text is None else fold(text), deterministic=True)
    connection.create_function("SEARCHABLE", 1, searchable, deterministic=True)
