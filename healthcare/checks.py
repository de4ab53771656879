"""System checks: https://docs.djangoproject.com/en/5.2/ref/checks/."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import Error as DatabaseError
from django.db import connection, connections

from healthcare.api.throttling import redis_client

# Settings that keep the contents of statements out of PostgreSQL's log. A superuser can set them for one database.
LOG_SETTINGS = {
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "auto_explain.log_min_duration": "-1",
}


def redis_answers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn if the Redis of CACHE_URL does not respond. The server also works without it."""
    if not settings.CACHE_URL:
        return []
    from redis.exceptions import RedisError

    try:
        redis_client(settings.CACHE_URL).ping()
    except RedisError as error:
        return [Warning(f"The Redis of CACHE_URL does not respond: {error}", id="healthcare.W002")]
    return []


def postgresql_logs_no_contents(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Warning]:
    """Warn if PostgreSQL's log may contain names, e-mails or password hashes; pass if the server does not respond."""
    if not settings.DB_LIVE:
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [[*LOG_SETTINGS]])
            wrong = [name for name, value in sorted(cursor.fetchall()) if value != LOG_SETTINGS[name]]
    except DatabaseError:
        return []
    if not wrong:
        return []
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    statements = [f"ALTER DATABASE {database} SET {name} = '{LOG_SETTINGS[name]}';" for name in wrong]
    return [
        Warning(
            f"PostgreSQL may log contents of records and password hashes because of: {', '.join(wrong)}.",
            hint=f"As a superuser: {' '.join(statements)}",
            id="healthcare.W001",
        )
    ]


def allowed_connections() -> int | None:
    """Return how many connections PostgreSQL gives to roles that are no superusers.

    None on SQLite, through a pooler, and where the server does not respond.
    """
    if connection.vendor != "postgresql":
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(CASE name WHEN 'max_connections' THEN 1 ELSE -1 END * setting::int), inet_server_port() "
                # reserved_connections: since PostgreSQL 16.
                "FROM pg_settings WHERE name IN ('max_connections', 'superuser_reserved_connections', "
                "'reserved_connections')"
            )
            allowed, port = cursor.fetchone()
        # A pooler has a port of its own.
        return allowed if port in (None, connection.connection.info.port) else None
    except DatabaseError:
        return None
    finally:
        # The workers are about to be forked.
        connection.close()


def postgresql_is_unicode(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[Error]:
    """Refuse a database that is not UTF-8, or whose locale changes the case of ASCII letters only.

    Searches would miss records, and duplicates that differ only in case would be stored.
    """
    errors = []
    database: Any
    for database in map(connections.__getitem__, databases or ()):
        if database.vendor != "postgresql":
            continue
        with database.cursor() as cursor:
            cursor.execute("SHOW server_encoding")
            (found,) = cursor.fetchone()
            if found == "UTF8":
                cursor.execute("SELECT CASE lower('É') WHEN 'é' THEN '' ELSE 'a locale limited to ASCII' END")
                (found,) = cursor.fetchone()
            else:
                found = f"the encoding {found}"
        if found:
            name = database.ops.quote_name(database.settings_dict["NAME"])
            provider = "LOCALE_PROVIDER builtin " if database.pg_version >= 170000 else ""
            errors.append(
                Error(
                    f"The database {name} has {found}.",
                    hint="Create a new one: "
                    f"CREATE DATABASE {name} ENCODING 'UTF8' {provider}LOCALE 'C.UTF-8' TEMPLATE template0; "
                    "if the server has no C.UTF-8, use another UTF-8 locale, such as en_US.UTF-8.",
                    id="healthcare.E002",
                )
            )
    return errors
