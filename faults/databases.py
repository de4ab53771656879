"""Test databases: SQLite in a copy of the project, PostgreSQL on a separate server."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import psycopg2

from faults import processes
from faults.report import MissingToolError
from healthcare.db.sqlite3.base import add_functions

BOOT_SECONDS = 30


class SQLite:
    """The database file of one copy of the project."""

    name = "SQLite"
    environment = {"DB_LIVE": "False"}

    def __init__(self, path):
        self.path = path

    def rows(self, sql):
        with closing(sqlite3.connect(self.path, timeout=20)) as connection:
            add_functions(connection)
            return connection.execute(sql).fetchall()

    def damage(self):
        """Return the errors that `PRAGMA integrity_check` finds."""
        return [found for (found,) in self.rows("PRAGMA integrity_check") if found != "ok"]


class PostgreSQL:
    """One database of a `Cluster`."""

    name = "PostgreSQL"

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database
        self.environment = self.environment_for(cluster.port)

    def environment_for(self, port):
        return {
            "DB_LIVE": "True",
            "DB_NAME": self.database,
            "DB_USER": "postgres",
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(port),
        }

    def rows(self, sql):
        with closing(self.cluster.connect(self.database)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def damage(self):
        """Return the errors that `pg_amcheck` finds in tables and indexes."""
        checked = subprocess.run(
            [
                *(self.cluster.bin / "pg_amcheck", "--install-missing", "--heapallindexed"),
                *("--host", "127.0.0.1", "--port", str(self.cluster.port), "--username", "postgres", self.database),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return [] if checked.returncode == 0 else [checked.stdout + checked.stderr]


class Cluster:
    """A PostgreSQL server with its data in `folder` and optionally its WAL in `wal`, started with `options`.

    FAST and IMMEDIATE are the signals that `pg_ctl stop` sends.
    """

    FAST, IMMEDIATE, KILL = signal.SIGINT, signal.SIGQUIT, signal.SIGKILL

    def __init__(self, folder, port, wal=None, options=()):
        self.bin, self.port, self.options = binaries(), port, options
        self.data = folder / "data"
        self.log = folder / "postgresql.log"
        self.owner = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        self.process = None
        self.data.mkdir(mode=0o700)
        for path in filter(None, [self.data, wal] if self.owner else []):
            shutil.chown(path, "postgres", "postgres")
        # Small segments fill a small disk quickly.
        waldir = ["--waldir", wal, "--wal-segsize", "1"] if wal else []
        initdb = [self.bin / "initdb", "--pgdata", self.data, "--username", "postgres", "--auth", "trust"]
        subprocess.run(
            [*initdb, "--encoding", "UTF8", *waldir], **self.owner, cwd="/", stdout=subprocess.DEVNULL, check=True
        )
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n")
            conf.write(f"max_wal_size = {4 if wal else 256}MB\nmin_wal_size = {2 if wal else 80}MB\n")
            conf.write("shared_buffers = 64MB\n")

    def start(self):
        """Start the server, wait until it accepts connections, and return a monotonic timestamp."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data, *self.options],
                **self.owner,
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        processes.wait_until(self.accepts_connections, BOOT_SECONDS, "PostgreSQL did not start", self.log)
        return time.monotonic()

    def connect(self, database="postgres"):
        connection = psycopg2.connect(
            dbname=database, user="postgres", host="127.0.0.1", port=self.port, connect_timeout=3
        )
        connection.autocommit = True
        return connection

    def accepts_connections(self):
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def ended(self):
        return self.process is None or self.process.poll() is not None

    def pids(self):
        return processes.tree(self.process.pid)

    def freeze(self):
        """Suspend every process of the server: sockets stay open but nothing responds."""
        # The postmaster comes first, so that it starts no new processes.
        processes.kill(self.pids(), signal.SIGSTOP)

    def thaw(self):
        processes.kill(self.pids(), signal.SIGCONT)

    def stop(self, how=IMMEDIATE):
        """Stop the server: FAST and IMMEDIATE signal the postmaster, KILL kills every process."""
        if self.ended():
            return
        pids = self.pids()
        if how == self.KILL:
            processes.kill(pids)
        else:
            self.thaw()
            self.process.send_signal(how)
        try:
            self.process.wait(BOOT_SECONDS)
        finally:
            processes.kill(pids)
        # The port is free only once its child processes have ended, too.
        processes.wait_until(lambda: not any(map(processes.alive, pids)), BOOT_SECONDS, "PostgreSQL did not end")


def binaries():
    """Return the folder of PostgreSQL's server programs; raise MissingToolError if they are not installed."""
    for path in [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), *map(Path, os.get_exec_path())][::-1]:
        if (path.resolve() / "initdb").exists() and (path.resolve() / "postgres").exists():
            return (path / "initdb").resolve().parent
    raise MissingToolError("PostgreSQL's initdb is not on this machine")
