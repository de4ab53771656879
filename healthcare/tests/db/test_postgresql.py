"""The PostgreSQL backend: time-outs, read-only sessions and closed connections. PostgreSQL only."""

import socket
import time
from contextlib import closing, contextmanager, nullcontext

import psycopg2
import pytest
from django.db import OperationalError, close_old_connections, connection, transaction

from conftest import PATIENT
from healthcare.checks import LOG_SETTINGS, postgresql_logs_no_contents
from healthcare.db.postgresql import base

pytestmark = pytest.mark.django_db(transaction=True)

# Ignores statement_timeout, so that the server seems frozen to its client.
SILENCE = "DO $$ BEGIN PERFORM pg_sleep(20); END $$"
RUNNING = """
    SELECT query FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE %s
"""


@contextmanager
def another_session():
    """Yield a cursor of another session in autocommit mode."""
    where = connection.get_connection_params() | {"cursor_factory": None}
    with closing(psycopg2.connect(**where)) as other, other.cursor() as cursor:
        other.autocommit = True
        yield cursor


@contextmanager
def database_settings(**values):
    """Apply these settings to sessions that start during the block."""
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    with another_session() as cursor:
        for name, value in values.items():
            cursor.execute(f"ALTER DATABASE {database} SET {name} = '{value}'")
        try:
            yield
        finally:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER DATABASE {database} RESET ALL")


def sessions_read_only():
    """Make sessions that start during the block read-only, as during a failover."""
    return database_settings(default_transaction_read_only="on")


@pytest.fixture(autouse=True)
def _closed_afterwards(monkeypatch):
    """Cancel statements that still run after their client timed out."""
    monkeypatch.setattr(base, "_suspect_until", 0.0)
    yield
    connection.close()
    monkeypatch.setattr(base, "_suspect_until", 0.0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE '%pg_sleep(20)%' AND pid <> pg_backend_pid()"
        )
    connection.close()


def test_a_query_to_an_unresponsive_server_times_out(settings):
    settings.DB_TIMEOUT = 1
    started = time.monotonic()

    with pytest.raises(OperationalError, match="did not respond within 1 s"), connection.cursor() as cursor:
        cursor.execute(SILENCE)

    assert 1 <= time.monotonic() - started < 3


@pytest.mark.parametrize("prefix", ["", "SELECT 1; "], ids=["autocommit", "in a transaction"])
def test_a_slow_statement_ends_on_the_server_before_its_client_gives_up(settings, prefix):
    settings.DB_TIMEOUT = 1

    with transaction.atomic() if prefix else nullcontext(), pytest.raises(OperationalError, match="statement timeout"):
        connection.cursor().execute(f"{prefix}SELECT pg_sleep(20)")

    with another_session() as cursor:
        cursor.execute(RUNNING, ["%pg_sleep(20)%"])
        assert cursor.fetchall() == []


def test_a_read_that_waits_too_long_is_503_and_ends_on_the_server(owner, patient, settings):
    settings.DB_TIMEOUT = 1
    with another_session() as cursor:
        cursor.execute("BEGIN; LOCK TABLE patients_patient")

        response = owner.get("/api/patients/")

        cursor.execute(RUNNING, ['%FROM "patients_patient"%'])
        assert cursor.fetchall() == []
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    # The server responded, so later connection attempts keep the usual time-out.
    assert base._suspect_until == 0


def test_the_time_out_of_a_transaction_does_not_remain_in_the_session():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_a_statement_that_cannot_run_in_a_transaction_is_sent_alone(patient):
    with connection.cursor() as cursor:
        cursor.execute("VACUUM patients_patient")


def test_the_session_is_replaced_after_a_refused_write(owner):
    connection.close()
    with sessions_read_only():
        refused = owner.post("/api/patients/", PATIENT)

    close_old_connections()
    created = owner.post("/api/patients/", PATIENT)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert created.status_code == 201


def test_a_read_only_server_is_not_ready(anonymous):
    connection.close()
    with sessions_read_only():
        response = anonymous.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"detail": "The database is read-only."})
    assert response.headers["Retry-After"] == "2"


def test_a_read_only_session_is_not_reused_even_if_it_only_reads(owner, monkeypatch):
    monkeypatch.setattr(base, "READ_ONLY_SECONDS", 0.1)
    connection.close()
    with sessions_read_only():
        assert owner.get("/api/patients/").status_code == 200
    time.sleep(0.2)

    close_old_connections()

    assert owner.post("/api/patients/", PATIENT).status_code == 201


def test_the_check_warns_of_a_server_that_logs_contents():
    connection.close()
    with database_settings(log_error_verbosity="default", log_min_error_statement="error"):
        (warning,) = postgresql_logs_no_contents(None)

    assert "log_error_verbosity, log_min_error_statement" in warning.msg
    assert "SET log_error_verbosity = 'terse';" in warning.hint


def test_the_settings_that_the_warning_names_resolve_it():
    connection.close()
    with database_settings(**LOG_SETTINGS):
        assert postgresql_logs_no_contents(None) == []


@pytest.mark.parametrize(("timed_out_before", "seconds"), [(False, 2), (True, 0.5)])
def test_the_time_out_for_a_new_connection_is_short_after_an_earlier_time_out(settings, timed_out_before, seconds):
    settings.DB_TIMEOUT = 2
    if timed_out_before:
        with pytest.raises(OperationalError), connection.cursor() as cursor:
            cursor.execute(SILENCE)

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(base.TimedOut, match=f"within {seconds} s"):
        psycopg2.connect(host="127.0.0.1", port=silent.getsockname()[1], user="nobody", dbname="none")


@pytest.fixture
def connect_to(monkeypatch):
    """Return a function that connects to one of several local ports and returns the port."""
    monkeypatch.setattr(base, "_primary", 0)

    def connect(*ports):
        several = {"host": ",".join(["127.0.0.1"] * len(ports)), "port": ",".join(map(str, ports))}
        parameters = connection.get_connection_params() | several | {"target_session_attrs": "read-write"}
        with closing(connection.get_new_connection(parameters)) as new:
            return new.info.port

    return connect


def test_unresponsive_and_refusing_hosts_are_skipped_within_the_time_out(settings, connect_to):
    settings.DB_TIMEOUT = 3
    ours = int(settings.DATABASES["default"]["PORT"])
    seconds = []

    with socket.create_server(("127.0.0.1", 0)) as silent:
        for _ in range(2):
            started = time.monotonic()
            assert connect_to(silent.getsockname()[1], 1, ours) == ours
            seconds.append(time.monotonic() - started)

    assert 1 <= seconds[0] < settings.DB_TIMEOUT
    # The host that accepted writes is tried first the next time.
    assert seconds[1] < 0.5


def test_a_read_only_host_is_not_used(settings, connect_to):
    ours = settings.DATABASES["default"]["PORT"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        (name,) = cursor.fetchone()
        cursor.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    try:
        with pytest.raises(psycopg2.OperationalError, match="session is read-only"):
            connect_to(ours, ours)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


def test_a_slow_statement_does_not_affect_other_requests(settings, anonymous):
    settings.DB_TIMEOUT = 1
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute(SILENCE)
    connection.close()

    assert anonymous.get("/readyz").status_code == 200


def test_a_connection_closed_by_the_server_is_detected_without_a_query(django_assert_num_queries):
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    with django_assert_num_queries(0):
        assert connection.is_usable()

    with another_session() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    time.sleep(0.2)

    assert not connection.is_usable()
    connection.close()
    assert not connection.is_usable()


def test_a_connection_is_checked_after_an_error():
    connection.ensure_connection()
    connection.errors_occurred = True

    assert connection.is_usable()
