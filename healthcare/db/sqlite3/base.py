"""Django's SQLite backend plus FOLD(text), the lower-case form by Unicode's rules (SQLite's LOWER knows ASCII only).

Its file is for its owner's eyes, and so is what SQLite writes beside it, which gets the same mode.
"""

from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from django.db.backends.sqlite3 import base

from healthcare.db.functions import fold


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        if not self.is_in_memory_db():
            # Only where there is no file. A failure is SQLite's to tell; and to open and close one that is in use would
            # take this process's locks off it (https://www.sqlite.org/howtocorrupt.html, section 2.2).
            with suppress(OSError):
                Path(conn_params["database"]).touch(mode=0o600, exist_ok=False)
        connection = super().get_new_connection(conn_params)
        connection.create_function("FOLD", 1, _fold, deterministic=True)
        return connection


def _fold(value: str | None) -> str | None:
    return None if value is None else fold(value)
