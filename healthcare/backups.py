"""Write the database to one file, check such a file, and restore it: for either database.

A restored file brings rows and the tables, indexes, constraints and sequences that migrations make. What could run code
(triggers, functions, views) is refused.
"""

import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO, TextIO, cast

from django.db import Error, connection, transaction
from psycopg2.extensions import make_dsn

from healthcare.db.postgresql import dumps
from healthcare.db.sqlite3.base import add_functions

# What every database of this project has.
TABLES = {"django_migrations", "accounts_user", "patients_patient", "doctors_doctor", "mappings_mapping"}


# Emptied by a restore: everyone who was logged in must log in again. A refresh token without a row is refused.
SESSIONS = ("token_blacklist_blacklistedtoken", "token_blacklist_outstandingtoken", "django_session")
# SQLite's own tables.
SQLITE_TABLES = {"sqlite_sequence", "sqlite_stat1", "sqlite_stat4"}
# Sessions linger briefly after a client disconnects.
GOODBYE_SECONDS = 2


class BackupError(Exception):
    """What is wrong, as a sentence."""


FAILURES = (BackupError, Error, sqlite3.Error, OSError)


class SQLite:
    """SQLite's online backup: one consistent state, also during writes (https://www.sqlite.org/backup.html)."""

    def write(self, path: Path) -> None:
        connection.ensure_connection()
        with closing(sqlite3.connect(path)) as copy:
            connection.connection.backup(copy)
            # A copy in WAL mode, as the database is, could only be read where files can be created beside it.
            copy.execute("PRAGMA journal_mode=DELETE")

    def check(self, path: Path) -> None:
        with closing(self._opened(path)) as copy:
            schema = copy.execute("SELECT tbl_name, sql FROM sqlite_master").fetchall()
            require_tables(path, {table for table, _ in schema})
            for table, sql in schema:
                # Indexes that SQLite makes by itself have no SQL.
                made = sql is None or re.match("CREATE (TABLE|INDEX|UNIQUE INDEX) ", sql)
                if not made or table not in known_tables() | SQLITE_TABLES:
                    raise unknown(path, sql or table)
            add_functions(copy)
            (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
            # SQLite reads the rest of a truncated last page as zeros, which may pass.
            if path.stat().st_size % copy.execute("PRAGMA page_size").fetchone()[0]:
                verdict = "it is truncated"
            if verdict != "ok":
                raise BackupError(f"{path.name} is damaged: {verdict}.")

    def restore(self, path: Path) -> None:
        connection.ensure_connection()
        with closing(self._opened(path)) as copy:
            copy.backup(connection.connection)

    def _opened(self, path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


class PostgreSQL:
    """pg_dump and pg_restore, with all connection parameters of DATABASES (https://www.postgresql.org/docs/current/app-pgdump.html)."""

    from_scratch = ("--clean", "--if-exists", "--no-owner", "--no-privileges")

    def write(self, path: Path) -> None:
        self._run("pg_dump", "--format=custom", "--no-password", f"--file={path}", f"--dbname={self._dsn()}")

    def check(self, path: Path) -> None:
        # The statements that `restore` would send.
        with self._output("pg_restore", *self.from_scratch, "--file=-", path.absolute()) as script:
            try:
                tables = dumps.created_tables(script, known_tables())
            except dumps.UnknownStatementError as statement:
                raise unknown(path, str(statement)) from None
        require_tables(path, tables)
        newer = set(connection.introspection.django_table_names(only_existing=True)) - tables
        if newer:
            raise BackupError(
                f"The database is newer than this backup (it has {min(newer)}): restore into an empty one."
            )

    def restore(self, path: Path) -> None:
        self._require_no_other_session()
        all_or_nothing = ["--single-transaction", "--exit-on-error"]
        where = ["--no-password", f"--dbname={self._dsn()}"]
        self._run("pg_restore", *all_or_nothing, *self.from_scratch, *where, path.absolute())

    def _require_no_other_session(self) -> None:
        """Refuse while others are connected: pg_restore would wait silently for their transactions to end.

        Without the rights of a superuser or of pg_read_all_stats, only sessions of the same role are visible.
        """
        sql = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + GOODBYE_SECONDS
        while True:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                (others,) = cursor.fetchone()
            if not others:
                return
            if time.monotonic() > deadline:
                raise BackupError(
                    f"Others are connected to the database ({others}): stop the server and close the rest."
                )
            time.sleep(0.1)

    def _dsn(self) -> str:
        """Return the connection parameters without the password: a program's arguments are visible to every user."""
        parameters = connection.get_connection_params()
        return make_dsn(**{name: parameters[name] for name in parameters.keys() - {"cursor_factory", "password"}})

    def _run(self, program: str, *arguments: str | Path) -> None:
        with self._output(program, *arguments) as lines:
            lines.read()

    @contextmanager
    def _output(self, program: str, *arguments: str | Path) -> Iterator[TextIO]:
        """Run one of PostgreSQL's programs and give what it prints; raise BackupError if it fails."""
        password = connection.settings_dict["PASSWORD"]
        environ = os.environ | ({"PGPASSWORD": password} if password else {})
        with TemporaryFile("w+") as errors:
            try:
                process = subprocess.Popen(  # noqa: S603, no shell, and the program is named here
                    [program, *arguments], env=environ, stdout=subprocess.PIPE, stderr=errors
                )
            except FileNotFoundError:
                raise BackupError(
                    f"{program} is not installed here; it comes with PostgreSQL's client programs."
                ) from None
            # Where the caller stops reading, closing the pipe ends the program.
            with process, TextIOWrapper(cast(BinaryIO, process.stdout), "utf-8", "surrogateescape", "\n") as lines:
                yield lines
            errors.seek(0)
            if process.returncode:
                raise BackupError(errors.read().strip())


def of_this_database() -> SQLite | PostgreSQL:
    return SQLite() if connection.vendor == "sqlite" else PostgreSQL()


def write(path: Path) -> None:
    """Write the database to a new file that only its owner may read; it appears once it is complete and on the disk."""
    if path.exists():
        raise BackupError("The file exists already.")
    try:
        folder = TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        # The error's own text names the temporary folder.
        raise BackupError(f"{path.parent}: {error.strerror}.") from None
    with folder as directory:
        draft = Path(directory, path.name)
        draft.touch(mode=0o600)
        of_this_database().write(draft)
        of_this_database().check(draft)
        sync(draft)
        draft.rename(path)
    sync(path.parent)


def check(path: Path) -> None:
    """Refuse anything but a complete backup of this project, from this kind of database, that holds no code."""
    path.open("rb").close()
    of_this_database().check(path)


def restore(path: Path) -> None:
    """Replace everything in the database by the contents of the file at `path`, and end all sessions."""
    of_this_database().restore(path)
    with transaction.atomic(), connection.cursor() as cursor:
        for table in SESSIONS:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608, a name from above


def known_tables() -> set[str]:
    """Return the tables of all models, and that of the migrations."""
    return {"django_migrations", *connection.introspection.django_table_names()}


def require_tables(path: Path, tables: set[str]) -> None:
    missing = TABLES - tables
    if missing:
        raise BackupError(f"{path.name} is no backup of this project: it has no table {min(missing)}.")


def unknown(path: Path, sql: str) -> BackupError:
    return BackupError(
        f"{path.name} holds more than migrations create, so it may run code: {' '.join(sql.split())[:80]}"
    )


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
