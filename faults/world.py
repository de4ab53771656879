"""The environment of a run: temporary folders, free ports, copies of the project to serve, a PostgreSQL server."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path

from faults import processes
from faults.client import Api
from faults.databases import Cluster, PostgreSQL, SQLite

ROOT = Path(__file__).resolve().parent.parent
BOOT_SECONDS = 60
# Long runs outlast the default token lifetime of 15 minutes.
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "ACCESS_TOKEN_MINUTES": "1000",
    "USER_CONCURRENT_REQUESTS": "1000",
}


class World:
    """The resources of one run. On exit, every process is stopped and every file removed."""

    def __init__(self, rounds, first_port):
        self.rounds = rounds
        self._ports, self._names = count(first_port), count(1)
        self._stack = ExitStack()

    def __enter__(self):
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        # PostgreSQL and nginx run as other users and must be able to enter it.
        self.folder.chmod(0o755)
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def port(self):
        """Return the next free port. Start below 32768, where the ephemeral range begins."""
        for port in self._ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            return port
        return None

    def new_folder(self, within=None):
        folder = (within or self.folder) / f"{next(self._names)}"
        folder.mkdir()
        return folder

    def copy(self, within=None):
        """Copy the project's files to a new folder, so that it has its own database, key and log."""
        folder = self.new_folder(within)
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(sys.prefix)
        return folder

    def migrate(self, folder, environment):
        manage = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(manage, cwd=folder, env=ENVIRONMENT | environment, check=True)

    @cached_property
    def _migrated_sqlite(self):
        folder = self.copy()
        self.migrate(folder, SQLite.environment)
        return folder / "db.sqlite3"

    @cached_property
    def cluster(self):
        """The PostgreSQL server of this run, with a migrated template database."""
        cluster = Cluster(self.new_folder(), self.port())
        self._stack.callback(cluster.stop)
        cluster.start()
        self.migrate(self.copy(), self.new_postgresql(cluster, "migrated", "template1").environment)
        return cluster

    def new_postgresql(self, cluster, name, template):
        connection = cluster.connect()
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        connection.close()
        return PostgreSQL(cluster, name)

    @contextmanager
    def app(self, kind, within=None, database=None, start=True, **environment):
        """Serve a copy of the project on an empty database of `kind`; stop it on exit."""
        folder = self.copy(within)
        if kind == SQLite.name:
            database = SQLite(folder / "db.sqlite3")
            shutil.copy(self._migrated_sqlite, database.path)
        elif database is None:
            database = self.new_postgresql(self.cluster, f"faults_{next(self._names)}", "migrated")
        app = App(folder, self.folder / f"app-{folder.name}.log", self.port(), database, environment)
        try:
            if start:
                app.start()
            yield app
        finally:
            app.kill()


class App:
    """A process group of `make serve`, in one folder and on one database."""

    def __init__(self, folder, log, port, database, environment):
        self.folder, self.log, self.port, self.database = folder, log, port, database
        self.environment = ENVIRONMENT | database.environment | environment
        self.process = None

    def start(self):
        """Start the app and wait until it is ready with both workers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["make", "serve", f"PORT={self.port}"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        processes.wait_until(self._up, BOOT_SECONDS, "the app did not start", self.log)

    def _up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the app exited: {self.log.read_text()[-1500:]}")
        return len(self.workers()) == 2 and Api(self.port).get("/readyz").status == 200

    def master(self):
        """Return the PID of gunicorn's master process."""
        return next((pid for pid in processes.tree(self.process.pid)[1:] if "gunicorn" in processes.command(pid)), None)

    def workers(self):
        return processes.children(self.master() or 0)

    def kill(self):
        """Kill the process group, simulating a power failure."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def served(self):
        """Return the ids of the requests that reached the application."""
        return set(re.findall(r'"request_id":"(\w+)"', self.log.read_text(errors="replace")))

    def errors(self):
        """Return the log lines of responses with status 500."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if '"status":500' in line]
