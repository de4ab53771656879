"""Back up SQLite or PostgreSQL to one file, verify such a file, and restore it.

A backup may contain rows and the tables, indexes, constraints and sequences that migrations create. Anything that could
run code (triggers, functions, views) is refused.
"""

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO, TextIO, cast

import psycopg2
from django.db import Error, connection, transaction
from psycopg2.extensions import make_dsn

from healthcare.db.postgresql import dumps
from healthcare.db.postgresql.base import without_deadlines
from healthcare.db.sqlite3 import schemas
from healthcare.db.sqlite3.base import add_functions

REQUIRED_TABLES = {"django_migrations", "accounts_user", "patients_patient", "doctors_doctor", "mappings_mapping"}
# Emptied by a restore, so that all users must log in again: a refresh token without a row is refused.
SESSIONS = ("token_blacklist_blacklistedtoken", "token_blacklist_outstandingtoken", "django_session")
# Sessions linger briefly after a client disconnects.
DISCONNECT_SECONDS = 2


class BackupError(Exception):
    """The message is a sentence for the user."""


FAILURES = (BackupError, Error, sqlite3.Error, OSError)


class SQLite:
    """SQLite's online backup: one consistent snapshot, also during writes (https://www.sqlite.org/backup.html)."""

    def write(self, path: Path) -> None:
        connection.ensure_connection()
        with closing(sqlite3.connect(path)) as copy:
            connection.connection.backup(copy)
            # A database in WAL mode can only be read where SQLite can create files next to it.
            copy.execute("PRAGMA journal_mode=DELETE")

    def check(self, path: Path) -> None:
        with closing(self._opened(path)) as copy:
            self._check(path, copy)

    def restore(self, path: Path) -> None:
        connection.ensure_connection()
        with closing(self._opened(path)) as copy:
            # The file may have been replaced since `check`.
            self._check(path, copy)
            copy.backup(connection.connection)

    def _check(self, path: Path, copy: sqlite3.Connection) -> None:
        schema = copy.execute("SELECT tbl_name, sql FROM sqlite_master").fetchall()
        require_tables(path, {table for table, _ in schema})
        if sql := schemas.unknown_sql(schema, known_tables()):
            raise unknown(path, sql)
        add_functions(copy)
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
        # SQLite reads the missing part of a truncated last page as zeros, which may pass the check.
        if path.stat().st_size % copy.execute("PRAGMA page_size").fetchone()[0]:
            verdict = "it is truncated"
        if verdict != "ok":
            raise BackupError(f"{path.name} is damaged: {verdict}.")
        applied = set(copy.execute("SELECT app, name FROM django_migrations"))
        if name := schemas.missing_constraint(schema, applied):
            raise BackupError(f"{path.name} does not have the constraint {name}.")

    def _opened(self, path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


class PostgreSQL:
    """pg_dump, with all connection parameters of DATABASES, and the script of pg_restore (https://www.postgresql.org/docs/current/app-pgdump.html)."""

    def write(self, path: Path) -> None:
        self._run("pg_dump", "--format=custom", "--no-password", f"--file={path}", f"--dbname={self._dsn()}")

    def check(self, path: Path) -> None:
        tables = self._read(path)
        newer = set(connection.introspection.django_table_names(only_existing=True)) - tables
        if newer:
            raise BackupError(
                f"The database is newer than this backup (it has the table {min(newer)}): restore into an empty one."
            )

    def restore(self, path: Path) -> None:
        self._require_no_other_session()
        parameters = connection.get_connection_params() | {"cursor_factory": None}
        with (
            connection.wrap_database_errors,
            without_deadlines(),
            closing(psycopg2.connect(**parameters)) as session,
            session,  # one transaction
            session.cursor() as cursor,
        ):

            def execute(statement: str, rows: Iterator[str]) -> None:
                if statement.startswith("COPY"):
                    cursor.copy_expert(statement, dumps.Rows(rows))
                else:
                    cursor.execute(statement)

            # Otherwise, the server could read a backslash in a string differently from `dumps`.
            cursor.execute("SET standard_conforming_strings = on")
            self._read(path, execute)

    def _read(self, path: Path, execute: Callable[[str, Iterator[str]], None] | None = None) -> set[str]:
        """Validate the backup and return its tables; execute each statement, unless `execute` is None."""
        options = ("--clean", "--if-exists", "--no-owner", "--no-privileges")
        with self._output("pg_restore", *options, "--file=-", path.absolute()) as script:
            try:
                tables = dumps.created_tables(script, known_tables(), execute)
            except dumps.UnknownStatementError as statement:
                raise unknown(path, str(statement)) from None
        require_tables(path, tables)
        return tables

    def _require_no_other_session(self) -> None:
        """Refuse while other sessions are connected: a restore would silently wait for their transactions.

        Only superusers and members of pg_read_all_stats see sessions of other roles.
        """
        sql = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + DISCONNECT_SECONDS
        while True:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                (others,) = cursor.fetchone()
            if not others:
                return
            if time.monotonic() > deadline:
                raise BackupError(
                    f"Other sessions are connected to the database ({others}): stop the server and close all clients."
                )
            time.sleep(0.1)

    def _dsn(self) -> str:
        """Return the connection parameters without the password, as all users can see the arguments of a process."""
        parameters = connection.get_connection_params()
        return make_dsn(**{name: parameters[name] for name in parameters.keys() - {"cursor_factory", "password"}})

    def _run(self, program: str, *arguments: str | Path) -> None:
        with self._output(program, *arguments) as lines:
            lines.read()

    @contextmanager
    def _output(self, program: str, *arguments: str | Path) -> Iterator[TextIO]:
        """Run one of PostgreSQL's programs and yield its output; raise BackupError if it fails."""
        password = connection.settings_dict["PASSWORD"]
        environ = os.environ | ({"PGPASSWORD": password} if password else {})
        with TemporaryFile("w+") as errors:
            try:
                process = subprocess.Popen(  # noqa: S603, no shell, and the program is named here
                    [program, *arguments], env=environ, stdout=subprocess.PIPE, stderr=errors
                )
            except FileNotFoundError:
                raise BackupError(f"{program} is not installed; it is part of PostgreSQL's client programs.") from None
            # If the caller stops reading, closing the pipe terminates the program.
            with process, TextIOWrapper(cast(BinaryIO, process.stdout), "utf-8", "surrogateescape", "\n") as lines:
                yield lines
            errors.seek(0)
            if process.returncode:
                raise BackupError(errors.read().strip())


def of_this_database() -> SQLite | PostgreSQL:
    return SQLite() if connection.vendor == "sqlite" else PostgreSQL()


def write(path: Path) -> None:
    """Back up the database to a new file that only the owner can read; it appears once it is complete and synced."""
    if path.exists():
        raise BackupError("The file already exists.")
    try:
        folder = TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        # The message of the OSError contains the temporary folder.
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
    """Raise BackupError unless `path` is a complete backup of this project and database engine without any code."""
    path.open("rb").close()
    of_this_database().check(path)


def restore(path: Path) -> None:
    """Replace the whole database with the backup at `path`, and end all sessions."""
    of_this_database().restore(path)
    with transaction.atomic(), connection.cursor() as cursor:
        for table in SESSIONS:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608, a constant


def known_tables() -> set[str]:
    """Return the tables of all models and of the migration recorder."""
    return {"django_migrations", *connection.introspection.django_table_names()}


def require_tables(path: Path, tables: set[str]) -> None:
    missing = REQUIRED_TABLES - tables
    if missing:
        raise BackupError(f"{path.name} is not a backup of this project: it has no table {min(missing)}.")


def unknown(path: Path, sql: str) -> BackupError:
    return BackupError(
        f"{path.name} contains more than migrations create, so it may run code: {' '.join(sql.split())[:80]}"
    )


def sync(path: Path) -> None:
    """Flush a file, or the entries of a directory, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
