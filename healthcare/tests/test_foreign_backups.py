"""`manage.py restore` of a tampered file: code is refused, and all sessions end."""

import os
import sqlite3
import subprocess
from contextlib import closing

import psycopg2
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg2.extensions import make_dsn

from conftest import PASSWORD, ApiClient
from patients.models import Patient

pytestmark = pytest.mark.django_db(transaction=True)

PROMOTE = "UPDATE accounts_user SET is_superuser = true"
FUNCTION = f"CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {PROMOTE}; RETURN NEW; END $$"
VALUE = "CREATE FUNCTION evil() RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$"
XML = f"query_to_xml('{PROMOTE}', false, false, '') IS NOT NULL"
EVIL_POSTGRESQL = {
    "function": FUNCTION,
    "trigger": f"{FUNCTION}; CREATE TRIGGER t AFTER INSERT ON accounts_user FOR EACH ROW EXECUTE FUNCTION evil()",
    "view": "CREATE VIEW everybody AS SELECT * FROM accounts_user",
    "materialized view": f"CREATE MATERIALIZED VIEW everybody AS SELECT 1 WHERE {XML} WITH NO DATA",
    "rule": f"CREATE RULE r AS ON INSERT TO patients_patient DO ALSO {PROMOTE}",
    "policy": f"CREATE POLICY p ON patients_patient USING ({XML})",
    "default": f"{VALUE}; ALTER TABLE patients_patient ADD extra int DEFAULT evil()",
    "built-in function": f"ALTER TABLE patients_patient ADD CONSTRAINT c CHECK ({XML}) NOT VALID",
    "index": f"{VALUE}; CREATE INDEX i ON patients_patient ((evil() + age))",
    "table": "CREATE TABLE strange (id int)",
    "inheritance": "CREATE TABLE strange () INHERITS (patients_patient)",
    "domain": f"CREATE DOMAIN d AS int CHECK ({XML})",
    "extension": "CREATE EXTENSION dblink",
    "large object": "SELECT lo_from_bytea(0, 'x')",
}
EVIL_SQLITE = {
    "trigger": f"CREATE TRIGGER t AFTER INSERT ON patients_patient BEGIN {PROMOTE}; END",
    "view": "CREATE VIEW everybody AS SELECT * FROM accounts_user",
    "virtual table": "CREATE VIRTUAL TABLE strange USING fts5(x)",
    "table": "CREATE TABLE strange (id int)",
    "index": "CREATE TABLE strange (id int); CREATE INDEX i ON strange (id)",
    "function in an index": "CREATE INDEX i ON accounts_user (hex(password))",
    "quoted function": """CREATE INDEX i ON accounts_user ([hex] (password))""",
    "comment before a parenthesis": "CREATE INDEX i ON accounts_user (hex/**/(password))",
    "generated column": "ALTER TABLE accounts_user ADD COLUMN extra text AS (email || password)",
}

EVIL = EVIL_POSTGRESQL if settings.DB_LIVE else EVIL_SQLITE


@pytest.fixture
def evil_backup(tmp_path):
    """Return a function that backs up a copy of the database after executing a statement in it."""
    file = tmp_path / "evil.backup"

    def make_sqlite(statement):
        call_command("backup", file)
        with closing(sqlite3.connect(file)) as copy:
            copy.executescript(statement)
        return file

    def make_postgresql(statement, *options):
        where = connection.get_connection_params() | {"cursor_factory": None}
        name = f"{where['dbname']}_evil"
        connection.close()
        with closing(psycopg2.connect(**where | {"dbname": "postgres"})) as server, server.cursor() as cursor:
            server.autocommit = True
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {where['dbname']}")
            with closing(psycopg2.connect(**where | {"dbname": name})) as copy:
                copy.cursor().execute(statement)
                copy.commit()
            dump = ["pg_dump", "--format=custom", f"--file={file}", *options]
            password = {"PGPASSWORD": where.pop("password", "")}
            del where["cursor_factory"]
            subprocess.run(  # noqa: S603, no shell
                [*dump, f"--dbname={make_dsn(**where | {'dbname': name})}"], env=os.environ | password, check=True
            )
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        return file

    return make_postgresql if settings.DB_LIVE else make_sqlite


def refusal(file):
    """Return the message of a refused restore."""
    with pytest.raises(CommandError) as error:
        call_command("restore", file, "--noinput")
    return str(error.value)


@pytest.mark.parametrize("statement", EVIL.values(), ids=EVIL)
def test_a_backup_with_code_is_refused_and_changes_nothing(evil_backup, patient, statement):
    file = evil_backup(statement)
    Patient.objects.update(name="After the backup")

    reason = refusal(file)

    assert "evil.backup contains more than migrations create, so it may run code: " in reason
    assert Patient.objects.get().name == "After the backup"


def test_a_file_that_is_replaced_after_the_check_is_checked_again(evil_backup, patient, tmp_path, monkeypatch):
    file = tmp_path / "night.backup"
    call_command("backup", file)
    evil = evil_backup(EVIL["trigger"])
    monkeypatch.setattr("builtins.input", lambda question: evil.replace(file) and "yes")
    Patient.objects.update(name="After the backup")

    with pytest.raises(CommandError, match="may run code: "):
        call_command("restore", file)

    assert Patient.objects.get().name == "After the backup"


def test_a_restore_ends_every_session_and_every_refresh_token(owner, tmp_path, staff_browser):
    account = {"email": owner.user.email, "password": PASSWORD}
    before, logged_out = (ApiClient().post("/api/auth/login/", account).json() for _ in range(2))
    call_command("backup", tmp_path / "night.backup")
    ApiClient().post("/api/auth/logout/", {"refresh": logged_out["refresh"]})
    after = ApiClient().post("/api/auth/login/", account).json()

    call_command("restore", tmp_path / "night.backup", "--noinput")

    for pair in (before, logged_out, after):
        assert ApiClient().post("/api/auth/refresh/", {"refresh": pair["refresh"]}).status_code == 401
    assert staff_browser.get("/admin/").status_code == 302
    assert ApiClient().post("/api/auth/login/", account).status_code == 200


if not settings.DB_LIVE:
    # A restore of PostgreSQL does not verify constraints.

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("patients_patient_unique_per_user", "DROP INDEX patients_patient_unique_per_user"),
            (
                "accounts_user_email_unique",
                "DROP INDEX accounts_user_email_unique; "
                "CREATE INDEX accounts_user_email_unique ON accounts_user (email)",
            ),
            (
                "doctors_doctor_age",
                "PRAGMA writable_schema = ON; "
                """UPDATE sqlite_master SET sql = replace(sql, 'CONSTRAINT "doctors_doctor_age" CHECK', 'CHECK')""",
            ),
        ],
    )
    def test_a_backup_without_a_constraint_is_refused_and_changes_nothing(evil_backup, patient, name, change):
        file = evil_backup(change)
        Patient.objects.update(name="After the backup")

        assert refusal(file).endswith(f"evil.backup does not have the constraint {name}.")
        assert Patient.objects.get().name == "After the backup"
