"""Measure start-up time and memory of a worker, compared with an empty project with Django and DRF."""

import subprocess
import time
from statistics import median

from benchmarks import seed
from benchmarks.servers import FIRST_PORT, HOST, ROOT, WORKERS, Server, environment, memory

PYTHON = ".venv/bin/python"
CHECKS = {
    "project": [PYTHON, "manage.py", "check"],
    "empty": [PYTHON, "-m", "django", "check", "--settings", "benchmarks.peers.empty.settings"],
}
SERVED = {
    "project": ("healthcare.wsgi:application", "/api/patients/10/"),
    "empty": ("benchmarks.peers.empty.wsgi:application", "/api/"),
}


def measure(database, rounds):
    """Return {what: {name: [seconds or MB]}} for `manage.py check`, start to first response, and memory of a worker."""
    seen = {what: {name: [] for name in CHECKS} for what in ("check", "response", "memory")}
    for _ in range(rounds):
        for name, command in CHECKS.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=ROOT, env=environment(database), check=True, capture_output=True)  # noqa: S603, a command of CHECKS, without a shell
            seen["check"][name].append(time.perf_counter() - started)
        for name, (application, path) in SERVED.items():
            seconds, megabytes = first_response(name, database, application, path)
            seen["response"][name].append(seconds)
            seen["memory"][name].append(megabytes)
    return seen


def first_response(name, database, application, path):
    """Start a server; return the seconds to its first response, and the memory of a worker in MB afterwards."""
    gunicorn = f".venv/bin/gunicorn --threads 4 --bind {HOST}:{{port}} --workers {WORKERS} {application}"
    # User 1 of the small database owns patient 10.
    headers = {"Authorization": f"Bearer {seed.token(1)}"}
    server = Server(name, name, database, gunicorn.split(), FIRST_PORT + 20, path, headers)
    started = time.perf_counter()
    with server:
        seconds = time.perf_counter() - started
        for _ in range(20):
            if server.request("GET", path, headers=headers)[0] != 200:
                raise RuntimeError(f"{path} of {name} did not return 200")
        return seconds, median(memory(pid) for pid in server.workers())
