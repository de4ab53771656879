"""Django's SQLite backend plus FOLD(text), the lower-case form by Unicode's rules (SQLite's LOWER knows ASCII only)."""

from sqlite3 import Connection
from typing import Any

from django.db.backends.sqlite3 import base

from healthcare.db.functions import fold


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        connection = super().get_new_connection(conn_params)
        connection.create_function("FOLD", 1, _fold, deterministic=True)
        return connection


def _fold(value: str | None) -> str | None:
    return None if value is None else fold(value)
