"""The machines of the cluster: each has a folder, configuration files from deploy/, and processes."""

import os
import shutil
import signal
import subprocess
import sys

from faults import processes
from faults.databases import binaries
from faults.world import ROOT

DEPLOY = ROOT / "deploy"
PATRONI = ROOT / ".venv-cluster/bin"
PASSWORD = "invented"
SITE = "localhost"
SECRET_KEY = os.urandom(32).hex()
HTTPS, HTTP = 8443, 8080


class Machine:
    """A machine. `example` is the name and address that the per-machine files in deploy/ use."""

    example = ("", "")
    owner = None

    def __init__(self, cluster, name, number):
        self.cluster, self.name, self.number = cluster, name, number
        self.network = cluster.network
        self.address = f"{self.network.prefix}{number}"
        self.folder = cluster.folder / name
        self.running = {}
        for folder in ("etc/healthcare/tls", "var/lib/postgresql", "var/lib/etcd", "run"):
            (self.folder / folder).mkdir(parents=True)
        self.network.add(self)
        certify(cluster.folder / "tls", name, self.address)
        tls = self.folder / "etc/healthcare/tls"
        shutil.copy(cluster.folder / "tls/ca.crt", tls / "ca.crt")
        for end in ("crt", "key"):
            shutil.copy(cluster.folder / f"tls/{name}.{end}", tls / f"node.{end}")

    def file(self, name, place):
        """Write a file of deploy/ to the machine's etc folder, adapted to this machine; return its path."""
        path = self.folder / "etc" / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.text(name))
        return path

    def text(self, name):
        text = (DEPLOY / name).read_text()
        if name.endswith(".env"):
            name_in_file, address = self.example
            text = text.replace(f"={name_in_file}", f"={self.name}").replace(address, f"10.0.0.{self.number}")
        for original, replacement in self.substitutions().items():
            text = text.replace(original, replacement)
        return text

    def substitutions(self):
        """Return {original: replacement} for addresses, folders and secrets in deploy/; the order matters."""
        return {
            "10.0.0.0/24": self.network.clients,
            "10.0.0.": self.network.prefix,
            "127.0.0.1:500": f"{self.network.localhost(self)}:500",
            "/usr/lib/postgresql/17/bin": str(binaries()),
            "/var/run/postgresql": f"{self.folder}/run",
            "/run/haproxy": f"{self.folder}/run",
            "/var/lib/": f"{self.folder}/var/lib/",
            "/etc/": f"{self.folder}/etc/",
            "SECRET_KEY=change-me": f"SECRET_KEY={SECRET_KEY}",
            "change-me": PASSWORD,
            "ALLOWED_HOSTS=api.example.com": f"ALLOWED_HOSTS={SITE},{self.network.prefix}{self.cluster.WEB}",
            "api.example.com": SITE,
        }

    def environment(self, name):
        """Return a file of environment variables as a dict."""
        lines = [line.partition("=") for line in self.text(name).splitlines() if line and not line.startswith("#")]
        return {key: value for key, _, value in lines}

    def start(self, name, command, folder="/", **environment):
        """Start a program of this machine as its user."""
        demoted = ["setpriv", "--reuid", self.owner, "--regid", self.owner, "--init-groups"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [*self.network.inside(self), *(demoted if self.owner and os.geteuid() == 0 else []), *command],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"} | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def pids(self, *names):
        """Return the PIDs of the named programs, or of all programs, parents first."""
        programs = [self.running[name] for name in names or self.running if name in self.running]
        return [pid for program in programs if program.poll() is None for pid in processes.tree(program.pid)]

    def kill(self, *names):
        """Kill the programs, simulating a power failure, and wait until their ports are free."""
        pids = self.pids(*names)
        processes.kill(pids)
        self.wait_until_ended(*names, pids=pids)

    def terminate(self, *names, seconds=40):
        """Stop the programs as systemd does: SIGTERM to the main process, SIGKILL to the rest after `seconds`."""
        pids = self.pids(*names)
        for name in names or self.running:
            if name in self.running:
                processes.kill([self.running[name].pid], signal.SIGTERM)
        try:
            self.wait_until_ended(*names, pids=pids, seconds=seconds)
        finally:
            processes.kill(pids)

    def wait_until_ended(self, *names, pids, seconds=20):
        processes.wait_until(lambda: not any(map(processes.alive, pids)), seconds, f"{self.name} {names} did not end")
        for name in names or list(self.running):
            if name in self.running:
                self.running.pop(name).wait()

    def freeze(self, *names):
        processes.kill(self.pids(*names), signal.SIGSTOP)

    def thaw(self, *names):
        processes.kill(self.pids(*names), signal.SIGCONT)


def certify(folder, name, address):
    subprocess.run([DEPLOY / "cluster/certificates.sh", folder, name, address], check=True)


class Etcd(Machine):
    """A single etcd member; production has three."""

    example = ("db1", "10.0.0.11")

    def boot(self):
        environment = self.environment("cluster/etcd.env")
        alone = f"{self.name}={environment['ETCD_INITIAL_ADVERTISE_PEER_URLS']}"
        self.start("etcd", [processes.program("etcd")], **environment | {"ETCD_INITIAL_CLUSTER": alone})


class Database(Machine):
    """PostgreSQL, managed by Patroni."""

    example = ("db1", "10.0.0.11")
    owner = "postgres"

    def boot(self):
        configuration = self.file("cluster/patroni.yml", "patroni/patroni.yml")
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres:postgres", self.folder], check=True)
        environment = self.environment("cluster/patroni.env")
        self.start("patroni", [PATRONI / "python", PATRONI / "patroni", configuration], **environment)

    def substitutions(self):
        hosts = ", ".join(f"10.0.0.{number}:2379" for number in (11, 12, 13))
        etcd = f"{self.network.prefix}{self.cluster.ETCD}:2379"
        return {hosts: etcd, "mode: required": "mode: 'off'"} | super().substitutions()

    def postmaster(self):
        """Return the PID of the postmaster, which Patroni starts as a separate process tree."""
        try:
            pid = int((self.folder / "var/lib/postgresql/healthcare/postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None
        return pid if processes.command(pid).partition(" ")[0].endswith("postgres") else None

    def pids(self, *names):
        chosen = names or ("patroni", "postgresql")
        postgresql = processes.tree(self.postmaster()) if "postgresql" in chosen and self.postmaster() else []
        return [*super().pids(*[name for name in chosen if name == "patroni"] or ["none"]), *postgresql]


class App(Machine):
    """The app, with HAProxy in front of it and between it and the primary."""

    example = ("app1", "10.0.0.21")

    def boot(self):
        self.boot_haproxy()
        self.boot_app()

    def boot_haproxy(self):
        configuration = self.file("cluster/haproxy.cfg", "haproxy/haproxy.cfg")
        shutil.copy(DEPLOY / "cluster/unavailable.http", configuration.parent)
        command = [processes.program("haproxy"), "-W", "-db", "-f", configuration]
        self.start("haproxy", command, **self.environment("cluster/haproxy.env"))

    def boot_app(self, release=None):
        """Start `release`, a copy of the project; by default the one it ran last."""
        self.release = release or self.release
        self.start("app", [self.release / "deploy/serve.sh"], self.release, **self.app_environment())

    def app_environment(self):
        path = f"{sys.prefix}/bin:{os.environ['PATH']}"
        # The load comes from one address, and a long run outlasts the default token lifetime.
        load = {"RATE_USER": "1000000/minute", "RATE_ANONYMOUS": "1000000/minute", "RATE_REGISTER": "1000000/minute"}
        own = {"PATH": path, "ACCESS_TOKEN_MINUTES": "1000", "DOTENV": os.devnull}
        return self.environment("cluster/app.env") | load | own

    def substitutions(self):
        unprivileged = {} if os.geteuid() == 0 else {"    user haproxy\n    group haproxy\n": ""}
        return unprivileged | super().substitutions()


class Web(Machine):
    """nginx, which in production runs on the app machines."""

    def boot(self):
        script = self.file("cluster/nginx.sed", "nginx/nginx.sed")
        configuration, tls = script.with_name("nginx.conf"), script.with_name("tls")
        command = ["sed", "-f", script, self.file("nginx.conf", "nginx/single.conf")]
        configuration.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        tls.mkdir(exist_ok=True)
        for name, source in {"fullchain.pem": "node.crt", "privkey.pem": "node.key"}.items():
            shutil.copy(self.folder / "etc/healthcare/tls" / source, tls / name)
        root = "user root;" if os.geteuid() == 0 else ""
        options = f"daemon off; pid {self.folder}/run/nginx.pid; {root}"
        self.start("nginx", [processes.program("nginx"), "-p", self.folder, "-c", configuration, "-g", options])

    def substitutions(self):
        ports = {
            f"listen {port} ": f"listen {self.address}:{replacement} "
            for port, replacement in ((80, HTTP), (443, HTTPS))
        }
        folders = {"http {": f"http {{ client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;"}
        # All load comes from one address.
        rate = {"rate=50r/s": "rate=100000r/s"}
        return ports | folders | rate | super().substitutions()
