"""Measure the start and the memory of a worker, against an empty project of Django and DRF."""

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
    """Return {what: {name: [seconds or MB]}} for `manage.py check`, start to first answer, and memory of a worker."""
    seen = {what: {name: [] for name in CHECKS} for what in ("check", "answer", "memory")}
    for _ in range(rounds):
        for name, command in CHECKS.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=ROOT, env=environment(database), check=True, capture_output=True)  # noqa: S603, of CHECKS
            seen["check"][name].append(time.perf_counter() - started)
        for name, (application, path) in SERVED.items():
            answered, weight = first_answer(name, database, application, path)
            seen["answer"][name].append(answered)
            seen["memory"][name].append(weight)
    return seen


def first_answer(name, database, application, path):
    """Start a server; return the seconds until its first answer, and the MB of a worker after it."""
    gunicorn = f".venv/bin/gunicorn --threads 4 --bind {HOST}:{{port}} --workers {WORKERS} {application}"
    # User 1 of the small database owns patient 10.
    headers = {"Authorization": f"Bearer {seed.token(1)}"}
    server = Server(name, name, database, gunicorn.split(), FIRST_PORT + 20, path, headers)
    started = time.perf_counter()
    with server:
        answered = time.perf_counter() - started
        for _ in range(20):
            if server.request("GET", path, headers=headers)[0] != 200:
                raise RuntimeError(f"{path} of {name} did not answer 200")
        return answered, median(memory(pid) for pid in server.workers())
