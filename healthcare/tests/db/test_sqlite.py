"""The SQLite backend: writers queue, readers do not. Collected where SQLite is tested."""

import sqlite3
from contextlib import closing

import pytest
from django.db import connection

READS = ["/api/auth/me/", "/api/patients/", "/api/patients/{}/", "/api/patients/{}/history/", "/api/doctors/"]


def test_writers_queue_and_a_commit_survives_a_power_cut(db):
    with connection.cursor() as cursor:
        names = ["journal_mode", "synchronous", "busy_timeout", "foreign_keys"]
        kept = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    # 2 is FULL.
    assert kept == ["wal", 2, 20_000, 1]
    assert connection.transaction_mode == "IMMEDIATE"


@pytest.mark.django_db(transaction=True)
def test_a_read_waits_for_no_writer(owner, patient):
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 100")
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as writer:
        writer.execute("BEGIN IMMEDIATE")
        statuses = [owner.get(path.format(patient.pk)).status_code for path in READS]
    connection.close()

    assert statuses == [200] * len(READS)
