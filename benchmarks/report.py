"""Write RESULTS.md: three sections, of which each command replaces its own."""

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

Written by `make bench`, `make bench-scale` and `make bench-layers`. Only the ratios are comparable between machines.
"""
PARTS = ("bench", "scale", "layers")
PACKAGES = """
    Django djangorestframework djangorestframework-simplejwt psycopg2-binary orjson
    gunicorn fastapi SQLAlchemy asyncpg pydantic uvicorn uvloop httptools PyJWT argon2-cffi
"""


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def write(part, text):
    """Replace one section of RESULTS.md."""
    old = RESULTS.read_text() if RESULTS.exists() else ""
    kept = {name: found[1] for name in PARTS if (found := re.search(_between(name), old, re.DOTALL))}
    kept[part] = text.strip()
    blocks = (f"<!-- {name} -->\n\n{kept[name].strip()}\n\n<!-- end of {name} -->\n" for name in PARTS if name in kept)
    RESULTS.write_text(HEAD + "\n" + "\n".join(blocks))
    return text


def _between(name):
    return f"<!-- {name} -->(.*?)<!-- end of {name} -->"


def table(head, rows):
    """Return a Markdown table, the first column left-aligned and the others right-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def goals(checked):
    """Return the table of goals from (case, goal, measured, whether it is reached)."""
    rows = [[what, wanted, got, "reached" if reached else "**not reached**"] for what, wanted, got, reached in checked]
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
    """Return the median of the rounds, with the lowest and the highest in brackets."""
    if not values:
        return "-"
    if unit == "%":
        return f"{median(values):.0%} ({min(values):.0%}-{max(values):.0%})"
    return f"{median(values):.2f}{unit} ({min(values):.2f}-{max(values):.2f})"


def bench(servers, measured, crowded, hashes, compared, rounds, seconds, busy):
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
    head = ["requests a second", *(server.title for server in servers), "to usual DRF", "to FastAPI", "of the limit"]
    tails = [
        [
            server.title,
            f"{median(run.p50 for run in crowded[server.name]):.1f}",
            f"{median(run.p99 for run in crowded[server.name]):.1f}",
            spread([run.p99 / run.p50 for run in crowded[server.name]]),
        ]
        for server in servers
    ]
    costs = [
        [
            case.title,
            *(
                f"{median(r.cpu for r in runs):,.0f}" if (runs := measured[case.name].get(s.name)) else "-"
                for s in servers
            ),
        ]
        for case in CASES
    ]
    ceiling = {name: spread(ratios(measured[name]["limit"], measured[name]["fastapi"])) for name in ("one", "list")}
    chart.draw(servers, rates, HERE / "results.svg")
    return write(
        "bench",
        f"""
## Compared with other implementations

{machine(f"make bench ROUNDS={rounds} SECONDS={seconds}", busy)}

![Requests a second: this project and other implementations](results.svg)

{table(head, rows)}

Medians of {rounds} rounds of {seconds} s after a warm-up; the order of the servers rotates. Ratios are taken within a
round, with the lowest and the highest in brackets. {WORKERS} workers each, {CONNECTIONS} connections (log-in: 4, for
three times as long); the load generator and PostgreSQL share the same cores. No answer was an error.

{goals(reached(measured, crowded, hashes))}

The limit itself, with hardly any Python, reads one patient {ceiling["one"]} as often as FastAPI, and a list of 100
{ceiling["list"]}: no application on this server can go beyond that.

CPU time of the server's own processes per request, in microseconds, which depends least on other load on the machine:

{table(["", *(server.title for server in servers)], costs)}

One patient at 100 connections, in milliseconds:

{table(["", "p50", "p99", "p99 to p50"], tails)}

Each server works on the project's tables, created by its migrations, in a database of its own with the same rows: a
user with 100 patients, one with 100,000, and {seed.DOCTORS:,} doctors. Before measuring, {compared} requests, valid and
invalid, are sent to all servers, and the answers must be equal: byte for byte, and for errors in status and keys. All
servers read the user's row at every request and check that the user is active and that the token belongs to the current
password; all apply the same field rules, the same ownership and the same Argon2 parameters.

- **this project**: `make serve` with `PRODUCTION=True` and rates that are never reached. It alone writes every version
  to the history, has an `ETag`, logs every request, counts requests and failed log-ins, and stores each refresh token.
- **usual DRF** (`peers/drf`): ModelSerializer, ModelViewSet, SimpleJWT; gunicorn, sync workers, a connection a request.
- **FastAPI** (`peers/fastapi_app`): SQLAlchemy 2's async ORM on asyncpg, a pool, pydantic; uvicorn, uvloop, httptools.
- **limit** (`peers/limit`): plain WSGI on the same `make serve`, a connection a thread, manual SQL, PyJWT, orjson.
- The peers write history only in "create, all with history".
""",
    )


def reached(measured, crowded, hashes):
    """Return the goals as (case, goal, measured, whether it is reached)."""
    checked = []
    wanted = (("one", 2, 0.65), ("list", 4, 0.6), ("create", 1.2, 0.35), ("history", 1.2, 0.35))
    titles = {case.name: case.title for case in CASES}
    for name, fastapi, limit in wanted:
        for peer, least, unit in (("fastapi", fastapi, "x"), ("limit", limit, "%")):
            got = ratios(measured[name]["project"], measured[name][peer])
            goal = f"≥ {least:.0%} of the limit" if unit == "%" else f"≥ {least}x FastAPI"
            checked.append((titles[name], goal, spread(got, unit), median(got) >= least))
    alone = [run.rate / hashed for run, hashed in zip(measured["login"]["project"], hashes, strict=True)]
    rate = f"{spread(alone, '%')} of {median(hashes):.1f} a second"
    checked.append(("log-in", "≥ 90% of the password hash alone", rate, median(alone) >= 0.9))
    tail = [run.p99 / run.p50 for run in crowded["project"]]
    checked.append(("p99 at 100 connections", "≤ 3x p50, no error", spread(tail), median(tail) <= 3))
    return checked
