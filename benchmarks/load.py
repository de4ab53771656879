"""Measure with wrk (https://github.com/wg/wrk); a failed request fails the measurement."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.servers import HOST

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 16


class Request(NamedTuple):
    method: str
    path: str
    token: str = ""
    body: str = ""


class Measured(NamedTuple):
    """One run of wrk: requests per second and in total, p50 and p99 in milliseconds.

    `cpu` is the CPU time of the server processes per request in microseconds, if it was measured.
    """

    rate: float
    requests: int
    p50: float
    p99: float
    cpu: float = 0.0


def send(port, requests, seconds, connections=CONNECTIONS):
    """Send `requests` repeatedly for `seconds`; raise RuntimeError unless every response is 2xx."""
    with tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".tsv") as lines:
        lines.writelines("\t".join(request) + "\n" for request in requests)
        lines.flush()
        url = f"http://{HOST}:{port}"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", SCRIPT, url, "--"]
        run = subprocess.run([*command, lines.name], capture_output=True, text=True, check=False)  # noqa: S603, wrk, without a shell
    if run.returncode:
        raise RuntimeError(f"wrk failed: {run.stdout}{run.stderr}")
    result = json.loads(run.stdout.strip().splitlines()[-1])
    if result["failed"] or result["broken"]:
        raise RuntimeError(
            f"{result['failed']} of {result['requests']} responses were errors, {result['broken']} incomplete"
        )
    return Measured(result["requests"] / result["seconds"], result["requests"], result["p50"], result["p99"])


def require_wrk():
    if not shutil.which("wrk"):
        raise SystemExit("error: wrk is needed (apt install wrk)")
