"""`manage.py backup` and `restore` with the programs of PostgreSQL. PostgreSQL only."""

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from patients.models import Patient

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_missing_program_is_named(monkeypatch, tmp_path, command):
    file = tmp_path / "night.backup"
    if command == "restore":
        file.touch()
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CommandError, match=r"pg_(dump|restore) is not installed"):
        call_command(command, file)


def test_a_backup_does_not_show_the_password_in_the_process_list(monkeypatch, tmp_path):
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "refused: $* with $PGPASSWORD" >&2; exit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "s3cret words")

    with pytest.raises(CommandError, match=r"refused: .* with s3cret words") as refused:
        call_command("backup", tmp_path / "night.backup")

    assert str(refused.value).count("s3cret") == 1
    assert "connect_timeout=" in str(refused.value)
    assert "sslmode=" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["pg_dump"]


def test_a_restore_is_refused_while_others_are_connected(owner, patient, tmp_path):
    """pg_restore would wait for this connection's lock indefinitely."""
    call_command("backup", tmp_path / "night.backup")
    other = psycopg2.connect(**connection.get_connection_params() | {"cursor_factory": None})
    other.cursor().execute("SELECT * FROM patients_patient")

    with pytest.raises(CommandError, match=r"Other sessions are connected to the database \(1\)"):
        call_command("restore", tmp_path / "night.backup", "--noinput")

    other.close()
    assert Patient.objects.get() == patient
    call_command("restore", tmp_path / "night.backup", "--noinput")
    assert Patient.objects.get() == patient
