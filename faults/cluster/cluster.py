"""The whole cluster: started in order, asked how it is, stopped."""

import json
import ssl
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection

import psycopg2

from faults import processes
from faults.cluster.machines import HTTPS, PASSWORD, PATRONI, SITE, App, Database, Etcd, Web
from faults.report import MissingToolError

BOOT_SECONDS = 90


class Cluster:
    """Three databases, one etcd, two apps, nginx. Leaving it ends every process; `world` removes the files."""

    ETCD = 41

    def __init__(self, world, network):
        self.world, self.network, self.folder = world, network, world.folder
        self._stack = ExitStack()

    def __enter__(self):
        if not (PATRONI / "patroni").exists():
            raise MissingToolError("Patroni is not installed: make .venv-cluster/.patroni")
        self._stack.enter_context(self.network)
        self.databases, self.apps = [], []
        try:
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *error):
        self._stack.close()

    def start(self):
        self.etcd = self.new(Etcd, "etcd1", self.ETCD)
        self.databases += [self.new(Database, f"db{number}", 10 + number) for number in (1, 2, 3)]
        self.apps += [self.new(App, f"app{number}", 20 + number) for number in (1, 2)]
        self.web = self.new(Web, "web", 30)
        for machine in (self.etcd, *self.databases):
            machine.boot()
        release = self.world.copy()
        for app in self.apps:
            app.boot_haproxy()
        processes.wait_until(self.leader, BOOT_SECONDS, "no primary", self.databases[0].folder / "patroni.log")
        self.sql("CREATE ROLE healthcare LOGIN PASSWORD %s", [PASSWORD], "postgres")
        self.sql("CREATE DATABASE healthcare OWNER healthcare", database="postgres")
        # Until HAProxy has seen the primary, and while a commit waits for the first standby.
        processes.wait_until(lambda: self.manage(release, "migrate", "--verbosity", "0"), BOOT_SECONDS, "not migrated")
        for app in self.apps:
            app.boot_app(release)
        self.web.boot()
        self.wait_until_well(BOOT_SECONDS)

    def new(self, kind, *arguments):
        machine = kind(self, *arguments)
        self._stack.callback(machine.kill)
        return machine

    def manage(self, release, *arguments):
        """Run a command of the project on the first app machine; tell whether it succeeded."""
        app = self.apps[0]
        command = [*self.network.inside(app), "python", "manage.py", *arguments]
        done = subprocess.run(command, cwd=release, env=app.app_environment(), capture_output=True, check=False)
        return done.returncode == 0

    def members(self):
        """Return what the cluster knows of its databases, by name: of the first node of Patroni that answers."""
        for database in self.databases:
            status, body = ask(database.address, 8008, "/cluster", tls=True)
            if status == 200:
                return {member["name"]: member for member in json.loads(body)["members"]}
        return {}

    def leader(self):
        """Return the machine that says of itself that it is the primary; None while there is none."""
        for database in self.databases:
            if ask(database.address, 8008, "/primary", tls=True)[0] == 200:
                return database
        return None

    def role(self, role):
        """Return the machine in a role: leader, sync_standby, replica."""
        return next(one for one in self.databases if self.members().get(one.name, {}).get("role") == role)

    def ready(self, app):
        """Tell whether an app serves, and reaches the primary."""
        return ask(app.address, 8000, "/readyz")[0] == 200

    def well(self):
        """Tell whether every machine does what it should: one primary, one synchronous standby, all following."""
        members = self.members().values()
        roles = sorted(member["role"] for member in members)
        states = {member["state"] for member in members}
        return (
            roles == ["leader", "replica", "sync_standby"]
            and states <= {"running", "streaming"}
            and all(map(self.ready, self.apps))
            and ask(self.web.address, HTTPS, "/readyz", tls=True)[0] == 200
        )

    def wait_until_well(self, seconds=120):
        """Wait until it is well, and stays so for as long as HAProxy needs to notice."""
        deadline, since = time.monotonic() + seconds, None
        while since is None or time.monotonic() < since + 3:
            since = (since or time.monotonic()) if self.well() else None
            if time.monotonic() > deadline:
                raise TimeoutError(f"the cluster is not well within {seconds} s: {self.members()}")
            time.sleep(0.3)

    def machines(self):
        return [self.etcd, *self.databases, *self.apps, self.web]

    def memory(self):
        """Return how many MB all processes hold, what several share counted once."""
        return sum(processes.proportion(pid) for machine in self.machines() for pid in machine.pids())

    def wait_for_another(self, old):
        """Wait until another machine is the primary."""
        processes.wait_until(lambda: self.leader() not in (None, old), 60, f"nobody takes over from {old.name}")

    @contextmanager
    def unplugged(self, machine):
        """Cut a machine off while the block runs, where the network can: nobody is told that its connections end."""
        if self.network.can_cut:
            self.network.cut(machine, [other for other in self.machines() if other is not machine])
        try:
            yield
        finally:
            if self.network.can_cut:
                self.network.heal()

    def patronictl(self, *arguments):
        """Run patronictl as an operator does, on the first database machine."""
        machine = self.databases[0]
        command = [PATRONI / "patronictl", "-c", machine.folder / "etc/patroni/patroni.yml", *arguments]
        done = subprocess.run([*self.network.inside(machine), *command], capture_output=True, text=True, check=True)
        return done.stdout

    def sql(self, statement, parameters=(), database="healthcare"):
        """Run a statement as superuser on the primary; return its rows."""
        user = {"user": "postgres", "password": PASSWORD, "sslmode": "require"}
        connection = psycopg2.connect(dbname=database, host=self.leader().address, connect_timeout=3, **user)
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


def ask(address, port, path, tls=False):
    """Return status and body of what answers there within a second; 0 where nothing does."""
    context = ssl._create_unverified_context() if tls else None
    connection = (
        HTTPSConnection(address, port, timeout=1, context=context) if tls else HTTPConnection(address, port, timeout=1)
    )
    try:
        connection.request("GET", path, headers={"Host": SITE})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()
