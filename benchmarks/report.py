"""Writes RESULTS.md: three parts, of which each command writes its own and leaves the other."""

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
HEAD = """# How fast it is

Written by `make bench`, `make bench-scale` and `make bench-layers`; on another machine only the ratios mean anything.
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
    """Replace one part of RESULTS.md."""
    old = RESULTS.read_text() if RESULTS.exists() else ""
    kept = {name: found[1] for name in PARTS if (found := re.search(_between(name), old, re.DOTALL))}
    kept[part] = text.strip()
    blocks = (f"<!-- {name} -->\n\n{kept[name].strip()}\n\n<!-- end of {name} -->\n" for name in PARTS if name in kept)
    RESULTS.write_text(HEAD + "\n" + "\n".join(blocks))
    return text


def _between(name):
    return f"<!-- {name} -->(.*?)<!-- end of {name} -->"


def table(head, rows):
    """Return a Markdown table, the first column to the left and the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def goals(checked):
    """Return the table of goals from (what, wanted, measured, whether it is reached)."""
    rows = [[what, wanted, got, "reached" if reached else "**not reached**"] for what, wanted, got, reached in checked]
    return table(["goal", "wanted", "measured", ""], rows)


def machine(command, busy):
    """Return what the run was made on; `busy` is the machine's load average before it."""
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
    """Return the median of the rounds and, in brackets, their lowest and highest."""
    if not values:
        return "-"
    if unit == "%":
        return f"{median(values):.0%} ({min(values):.0%}-{max(values):.0%})"
    return f"{median(values):.2f}{unit} ({min(values):.2f}-{max(values):.2f})"


def bench(servers, measured, crowded, hashes, compared, rounds, seconds, busy):
    """Write the part of `make bench` and the chart; return the part."""
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
## Beside its peers

{machine(f"make bench ROUNDS={rounds} SECONDS={seconds}", busy)}

![Requests a second, this project and its peers](results.svg)

{table(head, rows)}

Medians of {rounds} rounds, {seconds} s each after a warm-up, the order of the servers turned from round to round;
ratios are those within a round, in brackets the lowest and the highest. {WORKERS} workers each, {CONNECTIONS}
connections (log-in: 4, for three times as long), load generator and PostgreSQL on the same cores. No answer was an
error.

{goals(reached(measured, crowded, hashes))}

The limit itself, whose Python is next to nothing, reads one patient {ceiling["one"]} as often as FastAPI, and a list of
100 {ceiling["list"]}: what is wanted beyond that, no application on this server reaches.

CPU that a request takes of the server's own processes, in microseconds; it depends least on what else the machine does:

{table(["", *(server.title for server in servers)], costs)}

One patient at 100 connections, in milliseconds:

{table(["", "p50", "p99", "p99 to p50"], tails)}

What is compared: every server reads and writes the project's own tables, made by its migrations, in a database of its
own with the same rows: a user with 100 patients, one with 100,000, {seed.DOCTORS:,} doctors. Before the clock starts,
{compared} requests, good and bad, are sent to all of them, and the answers must be the same: byte for byte, and for
errors status and keys. All read the user's row at every request and check that it is active and has the password the
token was issued for; all keep the same field rules, the same ownership, the same Argon2 parameters.

- **this project**: `make serve` with `PRODUCTION=True`, rates too wide to be met. It alone writes every version to the
  history, keeps an `ETag`, logs every request, counts requests and failed log-ins, and stores each refresh token.
- **usual DRF** (`peers/drf`): ModelSerializer, ModelViewSet, SimpleJWT; gunicorn, sync workers, a connection a request.
- **FastAPI** (`peers/fastapi_app`): SQLAlchemy 2's async ORM on asyncpg, a pool, pydantic; uvicorn, uvloop, httptools.
- **limit** (`peers/limit`): bare WSGI by the same `make serve`, a connection a thread, SQL by hand, PyJWT, orjson.
- The peers write history only in "create, all with history".
""",
    )


def reached(measured, crowded, hashes):
    """Return the goals as (what, wanted, measured, whether it is reached)."""
    checked = []
    wanted = (("one", 2, 0.65), ("list", 4, 0.6), ("create", 1.2, 0.35), ("history", 1.2, 0.35))
    titles = {case.name: case.title for case in CASES}
    for name, fastapi, limit in wanted:
        for peer, least, unit in (("fastapi", fastapi, "x"), ("limit", limit, "%")):
            got = ratios(measured[name]["project"], measured[name][peer])
            told = f"≥ {least:.0%} of the limit" if unit == "%" else f"≥ {least}x FastAPI"
            checked.append((titles[name], told, spread(got, unit), median(got) >= least))
    alone = [run.rate / hashed for run, hashed in zip(measured["login"]["project"], hashes, strict=True)]
    told = f"{spread(alone, '%')} of {median(hashes):.1f} a second"
    checked.append(("log-in", "≥ 90% of the password hash alone", told, median(alone) >= 0.9))
    tail = [run.p99 / run.p50 for run in crowded["project"]]
    checked.append(("p99 at 100 connections", "≤ 3x p50, no error", spread(tail), median(tail) <= 3))
    return checked
