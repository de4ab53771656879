"""Django's SQLite backend with a statement time-out and the functions FOLD and SEARCHABLE.

Only the owner can read the database file and the files that SQLite creates next to it.
"""

import time
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from django.conf import settings
from django.db.backends.sqlite3 import base

from healthcare.db.functions import fold, searchable

# SQLite calls the progress handler after this many instructions of its virtual machine.
INSTRUCTIONS = 1_000


class TimedConnection(Connection):
    """A connection that interrupts statements after DB_TIMEOUT seconds, for which SQLite has no setting."""

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

    # SQLite computes rows as they are fetched; time that the caller spends in between does not count.
    def fetchmany(self, size: int | None = 1) -> list[Any]:
        self.connection.start_clock()
        return super().fetchmany(size)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return super().get_connection_params() | {"factory": TimedConnection}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        if not self.is_in_memory_db():
            # Create the file, but do not open an existing one: closing it would release this process's locks on it
            # (https://www.sqlite.org/howtocorrupt.html, section 2.2). SQLite itself reports failures.
            with suppress(OSError):
                Path(conn_params["database"]).touch(mode=0o600, exist_ok=False)
        connection = super().get_new_connection(conn_params)
        add_functions(connection)
        return connection

    def create_cursor(self, name: str | None = None) -> Cursor:
        return self.connection.cursor(factory=Cursor)


def add_functions(connection: Connection) -> None:
    """Register the functions that indexes, constraints and searches use: Django's, FOLD and SEARCHABLE."""
    base.register_functions(connection)  # type: ignore[attr-defined]  # missing from the stubs
    connection.create_function("FOLD", 1, lambda text: None if text is None else fold(text), deterministic=True)
    connection.create_function("SEARCHABLE", 1, searchable, deterministic=True)
