"""`manage.py backup` and `manage.py restore`: all rows are recovered, or nothing changes."""

import io
import sqlite3
import stat
from functools import partial
from threading import Event, Thread

import psycopg2
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.utils import ConnectionHandler

from conftest import DOCTOR, PASSWORD, PATIENT, ApiClient
from doctors.models import Doctor
from healthcare import backups
from mappings.models import Mapping
from patients.models import Patient

pytestmark = pytest.mark.django_db(transaction=True)


def contents():
    """Return every row of every table."""
    with connection.cursor() as cursor:
        found = {}
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608, a table name from the database
            found[table] = sorted(cursor.fetchall(), key=repr)
    return found


def without_sessions(rows):
    """Return the rows without sessions, which a restore deletes."""
    return {table: found for table, found in rows.items() if table not in backups.SESSIONS}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "night.backup"


@pytest.fixture
def records(anonymous):
    """Create accounts, tokens, records with history and a mapping through the API; return all rows."""
    for name in ("ann", "bob"):
        account = {"name": name, "email": f"{name}@example.com", "password": PASSWORD}
        anonymous.post("/api/auth/register/", account)
        client = ApiClient(token=anonymous.post("/api/auth/login/", account).json()["access"])
        patient = client.post("/api/patients/", PATIENT | {"name": "Zoë 李", "address": "a\nb"}).json()
        doctor = client.post("/api/doctors/", DOCTOR | {"email": f"dr.{name}@example.com", "age": None}).json()
        client.post("/api/mappings/", {"patient": patient["id"], "doctor": doctor["id"]})
        client.patch(f"/api/patients/{patient['id']}/", {"age": 31})
        deleted = client.post("/api/patients/", PATIENT).json()
        client.delete(f"/api/patients/{deleted['id']}/")
    rows = contents()
    assert (len(rows["accounts_user"]), len(rows["patients_historicalpatient"])) == (2, 8)
    return rows


@pytest.fixture
def elsewhere(transactional_db, monkeypatch, tmp_path):
    """Return a function that switches to an empty database for the rest of the test."""
    name = tmp_path / "elsewhere.sqlite3"
    if settings.DB_LIVE:
        name = f"{connection.settings_dict['NAME']}_elsewhere"
        server = psycopg2.connect(**connection.get_connection_params() | {"dbname": "postgres", "cursor_factory": None})
        server.autocommit = True

    def change(statement):
        if settings.DB_LIVE:
            server.cursor().execute(statement)

    def go():
        change(f"DROP DATABASE IF EXISTS {name}")
        change(f"CREATE DATABASE {name}")
        connection.close()
        monkeypatch.setitem(connections.settings["default"], "NAME", name)

    yield go
    connection.close()
    monkeypatch.undo()
    change(f"DROP DATABASE IF EXISTS {name}")
    if settings.DB_LIVE:
        server.close()


def test_a_restore_recovers_all_rows_and_the_service_continues(records, file):
    call_command("backup", file)
    for model in (Mapping, Doctor, Patient, get_user_model()):
        model.objects.all().delete()
    ApiClient().post("/api/auth/register/", {"name": "Eve", "email": "eve@example.com", "password": PASSWORD})

    call_command("restore", file, "--noinput")

    assert without_sessions(contents()) == without_sessions(records)
    tokens = ApiClient().post("/api/auth/login/", {"email": "ann@example.com", "password": PASSWORD}).json()
    assert ApiClient(token=tokens["access"]).post("/api/patients/", PATIENT).status_code == 201


def test_a_restore_into_an_empty_database_recovers_all_rows(records, file, elsewhere):
    call_command("backup", file)
    elsewhere()

    call_command("restore", file, "--noinput")

    assert without_sessions(contents()) == without_sessions(records)
    assert ApiClient().get("/readyz").status_code == 200


def test_an_sqlite_database_is_readable_only_by_its_owner(tmp_path):
    database = ConnectionHandler({"default": settings.SQLITE | {"NAME": tmp_path / "db.sqlite3"}})["default"]

    with database.cursor() as cursor:
        cursor.execute("CREATE TABLE secrets (name)")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    database.close()
    assert modes == dict.fromkeys(["db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm"], 0o600)


def test_a_backup_while_others_write_is_one_consistent_state(owner, file, elsewhere):
    full, acknowledged = Event(), []

    def write(first):
        for number in range(first, first + 1000):
            response = owner.post("/api/patients/", PATIENT | {"phone": f"{number:07}"})
            acknowledged.append(response.json()["id"])
            if full.is_set():
                break
        connections.close_all()

    writers = [Thread(target=write, args=[first]) for first in (10_000, 20_000)]
    for writer in writers:
        writer.start()
    while len(acknowledged) < 20:
        pass
    before = set(acknowledged)
    call_command("backup", file)
    full.set()
    for writer in writers:
        writer.join()
    elsewhere()
    call_command("restore", file, "--noinput")

    stored = set(Patient.objects.values_list("id", flat=True))
    assert before <= stored <= set(acknowledged)
    assert set(Patient.history.values_list("id", flat=True)) == stored


def test_a_backup_is_readable_only_by_its_owner_and_leaves_no_other_file(file):
    call_command("backup", file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_backup_overwrites_nothing(file):
    file.write_bytes(b"of yesterday")

    with pytest.raises(CommandError, match=r"Not backed up to .*: The file already exists\."):
        call_command("backup", file)

    assert file.read_bytes() == b"of yesterday"


def test_a_backup_into_a_missing_folder_names_the_folder(tmp_path):
    folder = tmp_path / "missing"

    with pytest.raises(CommandError) as refused:
        call_command("backup", folder / "night.backup")

    assert str(refused.value) == f"Not backed up to {folder}/night.backup: {folder}: No such file or directory."


def test_a_failed_backup_leaves_no_file(file, elsewhere):
    elsewhere()

    with pytest.raises(CommandError, match="it has no table accounts_user"):
        call_command("backup", file)

    assert list(file.parent.glob("*night*")) == []


@pytest.mark.parametrize("answer", ["", "no\n", "y\n"])
def test_a_restore_asks_first(records, file, monkeypatch, answer):
    call_command("backup", file)
    Mapping.objects.all().delete()
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    with pytest.raises(CommandError, match="not confirmed"):
        call_command("restore", file)

    assert not Mapping.objects.exists()
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    call_command("restore", file)
    assert without_sessions(contents()) == without_sessions(records)


def of_another_project(file):
    sqlite3.connect(file).execute("CREATE TABLE django_migrations (id)").connection.close()


def cut(file, part):
    call_command("backup", file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])


@pytest.mark.parametrize(
    "make",
    [
        lambda file: None,
        lambda file: file.mkdir(),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_text("CREATE TABLE patients_patient (id integer);" * 100),
        of_another_project,
        partial(cut, part=0.3),
        partial(cut, part=0.99),
    ],
    ids=["none", "directory", "empty", "text", "of another project", "a third", "all but its end"],
)
def test_an_invalid_backup_is_refused_and_changes_nothing(records, file, make):
    make(file)

    with pytest.raises(CommandError, match="Not restored from"):
        call_command("restore", file, "--noinput")

    assert without_sessions(contents()) == without_sessions(records)
