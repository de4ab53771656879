"""Write the database to one file, tell such a file from others, and put it back: for either database."""

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import Error, connection
from django.db.backends.sqlite3 import _functions  # type: ignore[attr-defined]  # missing in the stubs
from psycopg2.extensions import make_dsn

from healthcare.db.functions import fold

# What every database of this project has.
TABLES = {"django_migrations", "accounts_user", "patients_patient", "doctors_doctor", "mappings_mapping"}


class BackupError(Exception):
    """What is wrong, as a sentence."""


# PostgreSQL forgets a session a moment after its client has gone.
GOODBYE_SECONDS = 2
# What may go wrong on the way.
FAILURES = (BackupError, Error, sqlite3.Error, OSError)


class SQLite:
    """By SQLite's online backup: one consistent state, whoever writes meanwhile (https://www.sqlite.org/backup.html)."""

    def write(self, path: Path) -> None:
        connection.ensure_connection()
        with closing(sqlite3.connect(path)) as copy:
            connection.connection.backup(copy)
            # The copy of a database in WAL mode is in it too, and would need to write beside itself to be read.
            copy.execute("PRAGMA journal_mode=DELETE")

    def check(self, path: Path) -> None:
        with closing(self._opened(path)) as copy:
            demand_tables(path, {name for (name,) in copy.execute("SELECT name FROM sqlite_master")})
            # Indexes are made of functions that Django and this project add to SQLite.
            _functions.register(copy)
            copy.create_function("FOLD", 1, fold, deterministic=True)
            (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
            # The rest of a last page that was cut off is read as zeros, and may pass.
            if path.stat().st_size % copy.execute("PRAGMA page_size").fetchone()[0]:
                verdict = "it is cut off"
            if verdict != "ok":
                raise BackupError(f"{path.name} is damaged: {verdict}.")

    def restore(self, path: Path) -> None:
        connection.ensure_connection()
        with closing(self._opened(path)) as copy:
            copy.backup(connection.connection)

    def _opened(self, path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


class PostgreSQL:
    """By pg_dump and pg_restore, with all connection parameters of DATABASES (https://www.postgresql.org/docs/current/app-pgdump.html)."""

    def write(self, path: Path) -> None:
        self._run("pg_dump", "--format=custom", "--no-password", f"--file={path}", f"--dbname={self._dsn()}")

    def check(self, path: Path) -> None:
        # A line of it: "215; 1259 16385 TABLE public patients_patient owner".
        entries = (line.split() for line in self._run("pg_restore", "--list", path.absolute()).splitlines())
        tables = {entry[5] for entry in entries if entry[3:4] == ["TABLE"]}
        demand_tables(path, tables)
        newer = set(connection.introspection.django_table_names(only_existing=True)) - tables
        if newer:
            raise BackupError(
                f"The database is newer than this backup (it has {min(newer)}): restore into an empty one."
            )

    def restore(self, path: Path) -> None:
        self._demand_solitude()
        all_or_nothing = ["--single-transaction", "--exit-on-error"]
        from_scratch = ["--clean", "--if-exists", "--no-owner", "--no-privileges"]
        where = ["--no-password", f"--dbname={self._dsn()}"]
        self._run("pg_restore", *all_or_nothing, *from_scratch, *where, path.absolute())

    def _demand_solitude(self) -> None:
        """Refuse while others are connected: for the end of their transactions pg_restore would wait, saying nothing.

        Without the rights of a superuser or of pg_read_all_stats only the sessions of one's own role are seen.
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
        """Return the connection parameters but the password: every user of the machine sees a program's arguments."""
        parameters = connection.get_connection_params()
        return make_dsn(**{name: parameters[name] for name in parameters.keys() - {"cursor_factory", "password"}})

    def _run(self, program: str, *arguments: str | Path) -> str:
        """Run one of PostgreSQL's programs and return what it printed."""
        password = connection.settings_dict["PASSWORD"]
        environ = os.environ | ({"PGPASSWORD": password} if password else {})
        try:
            process = subprocess.run(  # noqa: S603, no shell, and the program is named here
                [program, *arguments], env=environ, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise BackupError(f"{program} is not installed here; it comes with PostgreSQL's client programs.") from None
        if process.returncode:
            raise BackupError(process.stderr.strip())
        return process.stdout


def of_this_database() -> SQLite | PostgreSQL:
    return SQLite() if connection.vendor == "sqlite" else PostgreSQL()


def write(path: Path) -> None:
    """Write the database to a new file that its owner alone may read; it appears when it is whole, and on the disk."""
    if path.exists():
        raise BackupError("The file exists already.")
    try:
        folder = TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        # Its own words name the temporary one.
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
    """Refuse anything but a whole backup of this project's, from this kind of database."""
    path.open("rb").close()
    of_this_database().check(path)


def restore(path: Path) -> None:
    """Replace everything in the database by what the file at `path` holds."""
    of_this_database().restore(path)


def demand_tables(path: Path, tables: set[str]) -> None:
    missing = TABLES - tables
    if missing:
        raise BackupError(f"{path.name} is no backup of this project: it has no table {min(missing)}.")


def sync(path: Path) -> None:
    """Wait until a file, or what a directory lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
