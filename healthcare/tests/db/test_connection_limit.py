"""Compare threads with the connections that PostgreSQL allows when the server starts. Collected on PostgreSQL only."""

import runpy
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def warnings():
    """Return the function that starts so many workers of 16 threads and returns the warnings in the log."""
    when_ready = runpy.run_path(str(settings.BASE_DIR / "deploy/gunicorn.conf.py"))["when_ready"]

    def start(workers):
        logged = []
        log = SimpleNamespace(warning=lambda message, *values: logged.append(message % values))
        when_ready(SimpleNamespace(cfg=SimpleNamespace(workers=workers, threads=16), log=log))
        return logged

    return start


def test_more_threads_than_connections_are_warned_of_in_one_line(warnings):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('max_connections'), current_setting('superuser_reserved_connections')")
        most, reserved = map(int, cursor.fetchone())

    assert warnings(workers=(most - reserved) // 16) == []
    assert warnings(workers=most) == [
        f"{most} workers with 16 threads may open {most * 16} connections, and PostgreSQL allows {most - reserved}: "
        "lower WORKERS, raise max_connections, or put PgBouncer in between"
    ]
    # The workers are forked from this process.
    assert connection.connection is None


def test_a_server_that_does_not_respond_is_no_reason_to_fail(warnings, monkeypatch):
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")

    assert warnings(workers=1000) == []
