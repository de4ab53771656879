"""Start, inspect and stop the whole cluster."""

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
    """Three databases, one etcd, two apps and nginx. On exit, every process is killed; `world` removes the files."""

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
        # Retry until HAProxy has found the primary and a standby acknowledges commits.
        processes.wait_until(self.migrated, BOOT_SECONDS, "the database could not be migrated")
        for app in self.apps:
            app.boot_app(self.release)
        self.web.boot()
        self.wait_until_healthy(BOOT_SECONDS)

    def new(self, kind, *arguments):
        machine = kind(self, *arguments)
        self._stack.callback(machine.kill)
        return machine

    def new_release(self):
        """Return a copy of the project with collected static files."""
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
        """Return the version in the app's OpenAPI document."""
        headers = {"Accept": "application/json", "X-Forwarded-Proto": "https"}
        return json.loads(ask(app.address, 8000, "/api/schema/", seconds=10, **headers)[1])["info"]["version"]

    def members(self):
        """Return {name: member} from the first Patroni node that responds."""
        for database in self.databases:
            status, body = ask(database.address, 8008, "/cluster", tls=True)
            if status == 200:
                return {member["name"]: member for member in json.loads(body)["members"]}
        return {}

    def leader(self):
        """Return the machine that reports itself as the primary, or None."""
        for database in self.databases:
            if ask(database.address, 8008, "/primary", tls=True)[0] == 200:
                return database
        return None

    def standby(self):
        """Return a synchronous standby."""
        members = self.members()
        return next(machine for machine in self.databases if members[machine.name]["role"] == "quorum_standby")

    def ready(self, app):
        """Return whether an app responds and reaches the primary."""
        return ask(app.address, 8000, "/readyz")[0] == 200

    def healthy(self):
        """Return whether there are a primary and two synchronous standbys, and both apps and nginx are ready."""
        members = self.members().values()
        roles = sorted(member["role"] for member in members)
        states = {member["state"] for member in members}
        return (
            roles == ["leader", "quorum_standby", "quorum_standby"]
            and states <= {"running", "streaming"}
            and all(map(self.ready, self.apps))
            and ask(self.web.address, HTTPS, "/readyz", tls=True)[0] == 200
        )

    def wait_until_healthy(self, seconds=120):
        """Wait until the cluster has been healthy for 3 s, as HAProxy notices a change with a delay."""
        deadline, since = time.monotonic() + seconds, None
        while since is None or time.monotonic() < since + 3:
            since = (since or time.monotonic()) if self.healthy() else None
            if time.monotonic() > deadline:
                raise TimeoutError(f"the cluster was not healthy within {seconds} s: {self.members()}")
            time.sleep(0.3)

    def machines(self):
        return [self.etcd, *self.databases, *self.apps, self.web]

    def memory(self):
        """Return the memory of all processes in MB, counting shared pages once."""
        return sum(processes.proportional_memory(pid) for machine in self.machines() for pid in machine.pids())

    def wait_for_failover(self, old):
        """Wait until another machine is the primary."""
        processes.wait_until(lambda: self.leader() not in (None, old), 60, f"no standby was promoted after {old.name}")

    @contextmanager
    def unplugged(self, machine):
        """Disconnect a machine during the block, if the network supports it: its packets are dropped."""
        if self.network.can_cut:
            self.network.cut(machine, [other for other in self.machines() if other is not machine])
        try:
            yield
        finally:
            if self.network.can_cut:
                self.network.heal()

    def patronictl(self, *arguments):
        """Run patronictl on the first database machine."""
        machine = self.databases[0]
        command = [PATRONI / "patronictl", "-c", machine.folder / "etc/patroni/patroni.yml", *arguments]
        result = subprocess.run([*self.network.inside(machine), *command], capture_output=True, text=True, check=True)
        return result.stdout

    def sql(self, statement, parameters=(), database="healthcare"):
        """Run a statement as superuser on the primary; return its rows."""
        user = {"user": "postgres", "password": PASSWORD, "sslmode": "require"}
        connection = psycopg2.connect(dbname=database, host=self.leader().address, connect_timeout=3, **user)
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


def ask(address, port, path, tls=False, seconds=1, **headers):
    """Return the status and body of the response; the status is 0 if there is none."""
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
