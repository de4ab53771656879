"""A dump with disguised statements is refused. PostgreSQL only."""

import subprocess

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg2.extensions import make_dsn

from patients.models import Patient

pytestmark = pytest.mark.django_db(transaction=True)

EVIL = b"UPDATE accounts_user SET is_superuser = true;"


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
    where = connection.get_connection_params()
    del where["cursor_factory"]
    dump = ["pg_dump", "--format=custom", "--inserts", f"--file={file}", f"--dbname={make_dsn(**where)}"]
    subprocess.run(dump, check=True)  # noqa: S603, no shell

    with pytest.raises(CommandError, match="may run code: INSERT INTO public"):
        call_command("restore", file, "--noinput")

    assert Patient.objects.get() == patient
