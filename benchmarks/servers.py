"""Start and stop the project and the other implementations, each with the same number of workers."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from benchmarks import seed

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(sys.executable).parent
HOST = "127.0.0.1"
FIRST_PORT = int(os.environ.get("BENCH_PORT", "8600"))
WORKERS = 2
START_SECONDS = 90
TICKS = os.sysconf("SC_CLK_TCK")
# As sent by deploy/nginx.conf. All servers receive them; only the project uses them.
PROXY_HEADERS = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
# PRODUCTION=True, with rate limits that no measurement reaches. `.env` is not read.
ENVIRONMENT = {
    "DOTENV": os.devnull,
    "PRODUCTION": "True",
    "DEBUG": "False",
    "ALLOWED_HOSTS": HOST,
    "TRUSTED_PROXIES": "1",
    "RATE_USER": "999999999/minute",
    "RATE_ANONYMOUS": "999999999/minute",
    "LOGIN_FAILURES": "999999999",
    "USER_CONCURRENT_REQUESTS": "999999999",
    "PASSWORD_REJECT_COMMON": "True",
    "SECRET_KEY": seed.SECRET_KEY,
    "DB_LIVE": "True",
    "DATABASE_URL": "",
    "CACHE_URL": "",
    **seed.SERVER,
}


def environment(database):
    # Keep compiled bytecode, so that the start-up time does not include compilation.
    return {**os.environ, **ENVIRONMENT, "DB_NAME": database, "PYTHONDONTWRITEBYTECODE": ""}


@dataclass
class Server:
    """One server on one database. `command` may hold {port}."""

    name: str
    title: str
    database: str
    command: list[str]
    port: int
    # Polled until the server responds.
    path: str = "/api/patients/"
    headers: dict = field(default_factory=dict)
    # Environment variables beside those of all servers.
    variables: dict = field(default_factory=dict)
    log: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="bench-", suffix=".log")[1]))

    def __enter__(self):
        command = [part.format(port=self.port) for part in self.command]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(  # noqa: S603, a command of this file
                command,
                cwd=ROOT,
                env=environment(self.database) | self.variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.unlink(missing_ok=True)

    def wait(self):
        """Wait until the server responds; raise RuntimeError with its log if it exits or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return self.request("GET", self.path, headers=self.headers)
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()[-4000:]}")

    def request(self, method, path, body=None, headers=None):
        """Make one request on a new connection; return (status, headers, body)."""
        connection = HTTPConnection(HOST, self.port, timeout=30)
        try:
            kind = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body, {**PROXY_HEADERS, **kind, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def processes(self):
        return processes(self.process.pid)

    def settle(self):
        return settle(self.process.pid)

    def workers(self):
        """Return the PIDs of the workers: the largest processes of the server without children."""
        parents = {_stat(pid)[1] for pid in self.processes()}
        return sorted(self.processes().keys() - parents, key=lambda pid: -memory(pid))[:WORKERS]


def processes(session):
    """Return {PID: CPU seconds used so far} of a server, which leads its own session, and its workers."""
    stats = {path.name: _stat(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}
    return {pid: (int(stat[11]) + int(stat[12])) / TICKS for pid, stat in stats.items() if stat[3:4] == [str(session)]}


def settle(session):
    """Wait until the server is idle; return the CPU seconds used so far."""
    before = None
    while (now := processes(session)) != before:
        before = now
        time.sleep(0.2)
    return sum(now.values())


def _stat(pid):
    """Return the fields of /proc/<pid>/stat that follow the command: state, parent, group, session."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def memory(pid, key="VmRSS"):
    """Return the resident memory of a process in MB; with VmHWM, its peak since `reset_peak`."""
    try:
        found = re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def reset_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def serve(application=None):
    """Return the command of `make serve`, for the project or for another WSGI application."""
    command = ["make", "--silent", "serve", "PORT={port}", f"WORKERS={WORKERS}"]
    return command + ([f"APP={application}"] if application else [])


def project(database, port=FIRST_PORT, **variables):
    return Server("project", "this project", database, serve(), port, variables=variables)


def all_servers():
    """Return the project and the other implementations, each with its own database."""
    drf = f"{PEERS}/gunicorn --workers {WORKERS} --bind {HOST}:{{port}} benchmarks.peers.drf.wsgi:application"
    fastapi = (
        f"{PEERS}/uvicorn --workers {WORKERS} --loop uvloop --http httptools --no-access-log "
        f"--host {HOST} --port {{port}} benchmarks.peers.fastapi_app.main:app"
    )
    return [
        project(seed.database("project")),
        Server("drf", "plain DRF", seed.database("drf"), drf.split(), FIRST_PORT + 1),
        Server("fastapi", "FastAPI", seed.database("fastapi"), fastapi.split(), FIRST_PORT + 2),
        Server(
            "limit", "limit", seed.database("limit"), serve("benchmarks.peers.limit.app:application"), FIRST_PORT + 3
        ),
    ]
