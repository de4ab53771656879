"""The SQLite backend: writers queue, readers do not wait, statements time out. SQLite only."""

import sqlite3
import time
from contextlib import closing

import pytest
from django.db import OperationalError, connection

from healthcare.checks import allowed_connections
from patients.models import Patient

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n {}"

READS = ["/api/auth/me/", "/api/patients/", "/api/patients/{}/", "/api/patients/{}/history/", "/api/doctors/"]


def test_writers_queue_and_a_commit_survives_a_power_cut(db):
    with connection.cursor() as cursor:
        names = ["journal_mode", "synchronous", "busy_timeout", "foreign_keys"]
        values = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    # 2 is FULL.
    assert values == ["wal", 2, 20_000, 1]
    assert connection.transaction_mode == "IMMEDIATE"


@pytest.mark.django_db(transaction=True)
def test_a_read_does_not_wait_for_writers(owner, patient):
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 100")
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as writer:
        writer.execute("BEGIN IMMEDIATE")
        statuses = [owner.get(path.format(patient.pk)).status_code for path in READS]
    connection.close()

    assert statuses == [200] * len(READS)


@pytest.mark.parametrize("sql", [ENDLESS.format("count(*)", ""), ENDLESS.format("i", "WHERE i < 1")])
def test_a_slow_statement_times_out_and_the_connection_stays_usable(db, settings, sql):
    settings.DB_TIMEOUT = 1
    started = time.monotonic()

    with pytest.raises(OperationalError, match="interrupted"), connection.cursor() as cursor:
        cursor.execute(sql)

    assert 1 <= time.monotonic() - started < 2
    assert not Patient.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_slow_search_is_503(owner, settings):
    settings.DB_TIMEOUT = 1
    Patient.objects.bulk_create(
        Patient(user=owner.user, name="N", age=1, gender="male", phone=str(10**9 + n)) for n in range(3000)
    )
    connection.connection.create_function("SEARCHABLE", 1, lambda text: time.sleep(0.001), deterministic=True)

    response = owner.get("/api/patients/?search=x")

    connection.close()
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")


def test_time_between_fetches_does_not_count(db, settings):
    settings.DB_TIMEOUT = 1
    with connection.cursor() as cursor:
        cursor.execute(ENDLESS.format("i", "LIMIT 300000"))
        time.sleep(1.1)

        assert len(cursor.fetchmany(200_000)) == 200_000


def test_it_has_no_limit_of_connections():
    assert allowed_connections() is None
