"""Write RESULTS.md: each command replaces its own section."""

import os
import platform
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks import chart, seed
from benchmarks.cases import CASES
from benchmarks.load import CONNECTIONS
from benchmarks.servers import WORKERS

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
HEAD = """# Benchmark results

Written by `make bench`, `make bench-scale`, `make bench-staff` and `make bench-layers`. Only ratios are comparable
between machines.
"""
SECTIONS = ("bench", "pressure", "scale", "staff", "layers")
PACKAGES = """
    Django djangorestframework djangorestframework-simplejwt psycopg2-binary orjson
    gunicorn fastapi SQLAlchemy asyncpg pydantic uvicorn uvloop httptools PyJWT argon2-cffi
"""


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def write(section, text):
    """Replace one section of RESULTS.md."""
    old = RESULTS.read_text() if RESULTS.exists() else ""
    sections = {name: found[1] for name in SECTIONS if (found := re.search(_between(name), old, re.DOTALL))}
    sections[section] = text.strip()
    blocks = (
        f"<!-- {name} -->\n\n{sections[name].strip()}\n\n<!-- end of {name} -->\n"
        for name in SECTIONS
        if name in sections
    )
    RESULTS.write_text(HEAD + "\n" + "\n".join(blocks))
    return text


def _between(name):
    return f"<!-- {name} -->(.*?)<!-- end of {name} -->"


def table(head, rows):
    """Return a Markdown table, the first column left-aligned and the others right-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def goals(results):
    """Return the table of goals from (case, goal or nothing, measured, whether it is reached)."""
    verdicts = {True: "reached", False: "**not reached**"}
    rows = [[case, goal, got, verdicts[bool(reached)] if goal else ""] for case, goal, got, reached in results]
    return table(["case", "goal", "measured", ""], rows)


def machine(command, busy):
    """Return a description of the machine and versions; `busy` is the load average before the run."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    ram = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 1024**2
    with closing(seed.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        postgresql = cursor.fetchone()[0].split()[0]
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout.split()[1]  # noqa: S607, from the PATH
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {cpu[1] if cpu else platform.machine()}, "
        f"{os.cpu_count()} cores, {ram:.0f} GB; load before the run {busy:.1f}. Python {platform.python_version()}, "
        f"PostgreSQL {postgresql}, wrk {wrk.removeprefix('debian/')}; "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES.split())
        + "."
    )


def ratios(ours, theirs):
    return [mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]


def spread(values, unit="x"):
    """Return the median of the rounds, with the minimum and maximum in brackets."""
    if not values:
        return "-"
    if unit == "%":
        return f"{median(values):.0%} ({min(values):.0%}-{max(values):.0%})"
    return f"{median(values):.2f}{unit} ({min(values):.2f}-{max(values):.2f})"


def bench(servers, measured, loaded, hash_costs, compared, rounds, seconds, busy):
    """Write the section of `make bench` and the chart; return the section."""
    peers = [server.name for server in servers[1:]]
    rates = {
        case.name: {name: median(run.rate for run in runs) for name, runs in measured[case.name].items()}
        for case in CASES
    }
    rows = []
    for case in CASES:
        ours = measured[case.name]["project"]
        against = {name: ratios(ours, runs) if (runs := measured[case.name].get(name)) else [] for name in peers}
        rows.append(
            [
                case.title,
                *(f"{rates[case.name][s.name]:,.0f}" if s.name in rates[case.name] else "-" for s in servers),
                spread(against["drf"]),
                spread(against["fastapi"]),
                spread(against["limit"], "%"),
            ]
        )
    head = [
        "requests per second",
        *(server.title for server in servers),
        "vs. plain DRF",
        "vs. FastAPI",
        "of the limit",
    ]
    latencies = [
        [
            server.title,
            f"{median(run.p50 for run in loaded[server.name]):.1f}",
            f"{median(run.p99 for run in loaded[server.name]):.1f}",
            spread([run.p99 / run.p50 for run in loaded[server.name]]),
        ]
        for server in servers
    ]
    cpu_times = [
        [
            case.title,
            *(
                f"{median(r.cpu for r in runs):,.0f}" if (runs := measured[case.name].get(s.name)) else "-"
                for s in servers
            ),
        ]
        for case in CASES
    ]
    limit = {name: spread(ratios(measured[name]["limit"], measured[name]["fastapi"])) for name in ("one", "list")}
    chart.draw(servers, rates, HERE / "results.svg")
    return write(
        "bench",
        f"""
## Comparison with other implementations

{machine(f"make bench ROUNDS={rounds} SECONDS={seconds}", busy)}

![Requests per second: this project and other implementations](results.svg)

{table(head, rows)}

Medians of {rounds} rounds of {seconds} s after a warm-up; the order of the servers rotates. Ratios are computed within
each round, with the minimum and maximum in brackets. {WORKERS} workers each, {CONNECTIONS} connections (log-in: 4, for
three times as long); the load generator and PostgreSQL share the same cores. No request failed.

{goals(results_of(measured, loaded, hash_costs))}

The limit, with almost no Python code, reads one patient {limit["one"]} as often as FastAPI, and a list of 100
{limit["list"]}: the upper bound for an application on this server.

CPU time of the server processes per request in microseconds, the measure least affected by other load on the machine:

{table(["", *(server.title for server in servers)], cpu_times)}

Latency of one patient at 100 connections, in milliseconds:

{table(["", "p50", "p99", "p99 / p50"], latencies)}

Each server uses the project's tables, created by its migrations, in a separate database with the same rows: a user with
100 patients, one with 100,000, and {seed.DOCTORS:,} doctors. Before measuring, {compared} valid and invalid requests
are sent to all servers, and the responses must be identical, or for errors have the same status and keys. All servers
read the user's row at every request and check that the user is active and that the token belongs to the current
password; all apply the same field rules, access rules and Argon2 parameters.

- **this project**: `make serve` with `PRODUCTION=True` and rate limits that are never reached. Only this one records
  history, sends an `ETag`, logs every request, counts requests and failed log-ins, and stores each refresh token.
- **plain DRF** (`peers/drf`): ModelSerializer, ModelViewSet, SimpleJWT; gunicorn, sync workers, new connection
  per request.
- **FastAPI** (`peers/fastapi_app`): SQLAlchemy 2's async ORM on asyncpg with a pool, pydantic; uvicorn, uvloop,
  httptools.
- **limit** (`peers/limit`): plain WSGI on the same `make serve`, a connection per thread, hand-written SQL, PyJWT,
  orjson.
- The other implementations record history only in "create, all with history".
""",
    )


def results_of(measured, loaded, hash_costs):
    """Return the goals as (case, goal, measured, whether it is reached)."""
    titles = {case.name: case.title for case in CASES}
    results = []
    for name, fewer in (("one", 2.2), ("list", 3.5), ("create", 2), ("history", 2.3)):
        got, goal = costs(measured[name], "fastapi"), f"CPU time ≤ {1 / fewer:.2f}x FastAPI's"
        results.append((titles[name], goal, spread(got), median(got) <= 1 / fewer))
    hashing = [run.cpu / alone for run, alone in zip(measured["login"]["project"], hash_costs, strict=True)]
    results.append(("log-in", "CPU time ≤ 1.1x the password hash alone", spread(hashing), median(hashing) <= 1.1))
    costliest = max(titles, key=lambda name: median(costs(measured[name], "limit")))
    above = costs(measured[costliest], "limit")
    title = f"the most expensive case compared with the limit: {titles[costliest]}"
    results.append((title, "CPU time ≤ 2.5x the limit's", spread(above), median(above) <= 2.5))
    # Log-in aside, which consists of the password hash on all servers.
    compared = {name: ratios(runs["project"], runs["fastapi"]) for name, runs in measured.items() if name != "login"}
    slowest = min(compared, key=lambda name: median(compared[name]))
    title = f"the slowest case other than log-in, compared with FastAPI: {titles[slowest]}"
    results.append((title, "≥ FastAPI's rate", spread(compared[slowest]), median(compared[slowest]) >= 1))
    tail = [run.p99 / run.p50 for run in loaded["project"]]
    results.append(("p99 at 100 connections", "≤ 3x p50, no errors", spread(tail), median(tail) <= 3))
    return results


def costs(runs, peer):
    """Return the project's CPU time per request in each round, relative to that of `peer`."""
    return [mine.cpu / other.cpu for mine, other in zip(runs["project"], runs[peer], strict=True)]
