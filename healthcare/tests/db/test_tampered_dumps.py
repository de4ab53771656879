"""A dump with disguised statements is refused. PostgreSQL only."""

import re
import struct
import subprocess

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg2.extensions import make_dsn

from patients.models import Patient

pytestmark = pytest.mark.django_db(transaction=True)

FUNCTION = b"CREATE FUNCTION public.evil() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;\n"
EVIL = b"UPDATE public.accounts_user SET is_superuser = true;"


def dump(*options):
    where = connection.get_connection_params()
    del where["cursor_factory"]
    command = ["pg_dump", "--format=custom", *options, f"--dbname={make_dsn(**where)}"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603, no shell


@pytest.mark.parametrize(
    ("statement", "instead"),
    [
        (b"CREATE INDEX doctors_by_name ON public.doctors_doctor USING btree (name, id);", EVIL),
        (b"ALTER TABLE ONLY public.accounts_user\n    ADD CONSTRAINT accounts_user_pkey PRIMARY KEY (id);", EVIL),
        (b"COPY public.accounts_user (id, password, ", b"COPY accounts_user FROM PROGRAM 'id';"),
        (b"ALTER TABLE ONLY public.accounts_user DROP CONSTRAINT accounts_user_pkey;", EVIL),
        (b"SELECT pg_catalog.setval('public.accounts_user_id_seq', ", EVIL),
    ],
    ids=["index", "constraint", "rows", "drop", "sequence"],
)
def test_a_changed_statement_is_refused(patient, tmp_path, statement, instead):
    file = tmp_path / "evil.backup"
    call_command("backup", file)
    content = file.read_bytes()
    assert content.count(statement) == 1
    file.write_bytes(content.replace(statement, instead.ljust(len(statement))))

    with pytest.raises(CommandError, match="contains more than migrations create, so it may run code: "):
        call_command("restore", file, "--noinput")

    assert Patient.objects.get() == patient


def test_rows_as_statements_are_refused(patient, tmp_path):
    file = tmp_path / "evil.backup"
    file.write_bytes(dump("--inserts"))

    with pytest.raises(CommandError, match="may run code: INSERT INTO public"):
        call_command("restore", file, "--noinput")

    assert Patient.objects.get() == patient


@pytest.fixture
def behind_copy(tmp_path):
    """Return a function that dumps the database and appends SQL to the COPY command of a table in the archive.

    The archive stores it as a string: a sign byte, four bytes of length, and the text. An archive written to a pipe has
    no offsets, which would no longer be correct.
    """
    file = tmp_path / "evil.backup"

    def make(table, sql):
        content = dump()
        command = re.search(rb"COPY public\.%b \([^)]*\) FROM stdin;\n" % table, content)
        length = b"\0" + struct.pack("<I", len(command[0]))
        assert content[: command.start()].endswith(length)
        changed = command[0] + sql
        before = content[: command.start() - len(length)]
        file.write_bytes(before + b"\0" + struct.pack("<I", len(changed)) + changed + content[command.end() :])
        return file

    return make


@pytest.mark.parametrize(
    "sql",
    [
        FUNCTION,
        b"COPY (SELECT 1) TO PROGRAM $$true$$;\n",
        EVIL + b"\n",
        b"\\! touch EXECUTED\n",
        b"\\.\n\\! touch EXECUTED\n",
        b"\\.\n" + EVIL + b"\n",
        b"1\n" * 300 + FUNCTION,
    ],
    ids=["function", "program", "update", "psql", "psql after the end", "after the end", "long"],
)
def test_nothing_behind_the_copy_command_of_an_archive_is_executed(behind_copy, patient, tmp_path, sql):
    file = behind_copy(b"accounts_user", sql.replace(b"EXECUTED", bytes(tmp_path / "executed")))
    Patient.objects.update(name="After the backup")

    with pytest.raises(CommandError, match="Not restored from"):
        call_command("restore", file, "--noinput")

    assert Patient.objects.get().name == "After the backup"
    assert not get_user_model().objects.filter(is_superuser=True).exists()
    assert list(tmp_path.iterdir()) == [file]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_proc WHERE proname = 'evil'")
        assert cursor.fetchone() == (0,)


def test_rows_behind_another_end_marker_are_not_executed(behind_copy, patient):
    """The server accepts this marker, `dumps` does not."""
    call_command("restore", behind_copy(b"patients_patient", b"\\.\r\n" + EVIL + b"\n"), "--noinput")

    assert not Patient.objects.exists()
    assert not get_user_model().objects.filter(is_superuser=True).exists()
