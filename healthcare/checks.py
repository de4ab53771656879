"""System checks beside Django's own: https://docs.djangoproject.com/en/5.2/ref/checks/."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import cache
from django.core.checks import Error, Warning
from django.db import Error as DatabaseError
from django.db import connection

# The values with which PostgreSQL logs no contents of statements. A superuser may set them for one database.
LOG_SETTINGS = {
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "auto_explain.log_min_duration": "-1",
}


def redis_answers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Error]:
    """Ask the Redis of CACHE_URL once; one that goes away later is a 503."""
    if not settings.CACHE_URL:
        return []
    from redis.exceptions import RedisError

    try:
        cache.get("anything")
    except RedisError as error:
        return [Error(f"CACHE_URL names a Redis that does not serve: {error}", id="healthcare.E001")]
    return []


def postgresql_logs_no_contents(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Warning]:
    """Warn where the log of PostgreSQL gets names, e-mails or hashes of passwords; pass where it does not answer."""
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
            f"PostgreSQL may write contents of records and hashes of passwords to its log, by: {', '.join(wrong)}.",
            hint=f"As a superuser: {' '.join(statements)}",
            id="healthcare.W001",
        )
    ]
