"""The whole cluster: started in order, asked how it is, stopped."""

import json
import ssl
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection

import psycopg2

from faults import processes
from faults.cluster.machines import HTTPS, PASSWORD, PATRONI, SITE, App, Database, Etcd, Web
from faults.report import MissingToolError

BOOT_SECONDS = 180


class Cluster:
    """Three databases, one etcd, two apps, nginx. Leaving it ends every process; `world` removes the files."""

    ETCD, WEB = 41, 30

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
        self.web = self.new(Web, "web", self.WEB)
        for machine in (self.etcd, *self.databases):
            machine.boot()
        self.release = self.new_release()
        for app in self.apps:
            app.boot_haproxy()
        processes.wait_until(self.leader, BOOT_SECONDS, "no primary", self.databases[0].folder / "patroni.log")
        self.sql("CREATE ROLE healthcare LOGIN PASSWORD %s", [PASSWORD], "postgres")
        self.sql("CREATE DATABASE healthcare OWNER healthcare", database="postgres")
        # Until HAProxy has seen the primary, and while a commit waits for the first standby.
        # The first standby to come acknowledges the first commit, and HAProxy has to see the primary.
        processes.wait_until(lambda: self.migrated(), BOOT_SECONDS, "the database is not migrated")
        for app in self.apps:
            app.boot_app(self.release)
        self.web.boot()
        self.wait_until_well(BOOT_SECONDS)

    def new(self, kind, *arguments):
        machine = kind(self, *arguments)
        self._stack.callback(machine.kill)
        return machine

    def new_release(self):
        """Return a copy of the project, with what `collectstatic` makes."""
        release = self.world.copy()
        self.manage(release, "collectstatic", "--noinput", "--verbosity", "0")
        return release

    def migrated(self):
        with suppress(subprocess.CalledProcessError):
            return self.manage(self.release, "migrate", "--verbosity", "0")

    def manage(self, release, *arguments, port=5000):
        """Run a command of the project on the first app machine, against the primary or, with port 5001, a standby."""
        app = self.apps[0]
        environment = app.app_environment()
        environment["DATABASE_URL"] = environment["DATABASE_URL"].replace(":5000/", f":{port}/")
        command = [*self.network.inside(app), "python", "manage.py", *arguments]
        return subprocess.run(command, cwd=release, env=environment, capture_output=True, check=True)

    def version(self, app):
        """Return the version that an app says it serves."""
        headers = {"Accept": "application/json", "X-Forwarded-Proto": "https"}
        return json.loads(ask(app.address, 8000, "/api/schema/", seconds=10, **headers)[1])["info"]["version"]

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

    def standby(self):
        """Return a machine that is a standby."""
        members = self.members()
        return next(one for one in self.databases if members[one.name]["role"] == "quorum_standby")

    def ready(self, app):
        """Tell whether an app serves, and reaches the primary."""
        return ask(app.address, 8000, "/readyz")[0] == 200

    def well(self):
        """Tell whether there are a primary and two standbys that count for a commit, and everything serves."""
        members = self.members().values()
        roles = sorted(member["role"] for member in members)
        states = {member["state"] for member in members}
        return (
            roles == ["leader", "quorum_standby", "quorum_standby"]
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
        """Cut a machine off while the block runs, where the network can: its connections end without notice."""
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


def ask(address, port, path, tls=False, seconds=1, **headers):
    """Return status and body of what answers there in time; 0 where nothing does."""
    kind, options = (HTTPSConnection, {"context": ssl._create_unverified_context()}) if tls else (HTTPConnection, {})
    connection = kind(address, port, timeout=seconds, **options)
    try:
        connection.request("GET", path, headers={"Host": SITE, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()
