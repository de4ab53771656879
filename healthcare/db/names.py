"""Names of databases for messages."""

from django.db.backends.base.base import BaseDatabaseWrapper


def described(connection: BaseDatabaseWrapper) -> str:
    """Return the name of a database, such as `SQLite /srv/db.sqlite3` or `PostgreSQL clinic at localhost:5432`."""
    if connection.vendor == "sqlite":
        return f"SQLite {connection.settings_dict['NAME']}"
    parameters = connection.get_connection_params()
    host = parameters.get("host") or parameters.get("hostaddr") or "the local socket"
    return f"PostgreSQL {parameters['dbname']} at {host}:{parameters.get('port', 5432)}"
