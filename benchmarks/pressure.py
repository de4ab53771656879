"""Measure how long one client, the bystander, waits while others load the server, compared with a quiet server."""

import multiprocessing
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from itertools import count

from benchmarks import report
from benchmarks.browser import Browser
from benchmarks.report import say
from benchmarks.servers import FIRST_PORT, WORKERS, settle
from benchmarks.staff import UPLOADED, as_csv, people
from faults import memory
from faults.client import PASSWORD, Api, concurrently, must, patient, user
from faults.databases import PostgreSQL, SQLite
from faults.pressure import log_in
from faults.world import World

# Requests of the bystander in a second.
RATE = 50
GOAL = 3
LOGINS, ACCOUNTS = 200, 20
SEARCHES, SEARCHERS, SEARCHED = 64, 16, 1_250
READERS, LISTS, LISTED = 2, 16, 20_000
# 128 KB a second.
PIECE, PAUSE = 32 * 1024, 0.25
MAKE_STAFF = "from accounts.models import User; User.objects.filter(pk={}).update(is_staff=True, is_superuser=True)"


def pressures(app):
    """Return {title: calls}: what others do concurrently, again and again."""
    accounts = [user(app.port).account for _ in range(ACCOUNTS)]
    searchers, readers = ([user(app.port) for _ in range(number)] for number in (SEARCHERS, READERS))
    for users, patients in ((searchers, SEARCHED), (readers, LISTED)):
        for each in users:
            memory.seed(app, each, patients)
    staff, numbers = user(app.port), count(0, UPLOADED)
    shell = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", MAKE_STAFF.format(staff.id)]
    subprocess.run(shell, cwd=app.folder, env=app.environment, check=True)  # noqa: S603, a command of this file, without a shell
    browser = Browser(app.port, staff.account["email"], PASSWORD)

    def upload():
        browser.confirm(browser.preview(as_csv(people("Upload", next(numbers), UPLOADED))))

    return {
        f"{LOGINS} concurrent log-ins": [partial(log_in, Api(app.port), accounts[n % ACCOUNTS]) for n in range(LOGINS)],
        f"{SEARCHES} concurrent searches": [
            partial(searchers[n % SEARCHERS].get, "/api/patients/?search=99%20street") for n in range(SEARCHES)
        ],
        f"{LISTS} long lists, read slowly": [
            partial(memory.read, readers[n % READERS], PIECE, PAUSE) for n in range(LISTS)
        ],
        f"import of {UPLOADED:,} rows": [upload],
    }


@contextmanager
def repeated(calls):
    """Repeat the concurrent calls in another process while the block runs."""

    def repeat():
        while True:
            concurrently(*calls)

    process = multiprocessing.get_context("fork").Process(target=repeat)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def bystander(client, path, seconds):
    """Read the path RATE times a second over one connection; return (milliseconds of each request, failed requests).

    Where a response takes longer than 1 / RATE, the next request follows it immediately, and none are made up for.
    """
    taken, failed, connection = [], 0, client.connect()
    due = started = time.monotonic()
    while due < started + seconds:
        time.sleep(max(0, due - time.monotonic()))
        sent = time.monotonic()
        connection.request("GET", path, headers=client.headers({"Connection": "keep-alive"}))
        response = connection.getresponse()
        response.read()
        failed += response.status != 200
        taken.append((time.monotonic() - sent) * 1000)
        due = max(due + 1 / RATE, time.monotonic())
    connection.close()
    return taken, failed


def run(rounds, seconds):
    """Measure on both databases, and write the section of RESULTS.md."""
    busy, results = os.getloadavg()[0], []
    with World(1, FIRST_PORT + 50) as world:
        for kind in (PostgreSQL.name, SQLite.name):
            say(f"Under pressure, on {kind} ...")
            # The production default; faults allow more.
            with world.app(kind, USER_CONCURRENT_REQUESTS="") as app:
                results += measured(app, kind, rounds, seconds)
    say("\n" + report.write("pressure", section(results, rounds, seconds, busy)))


def measured(app, kind, rounds, seconds):
    """Yield (case, goal, measured, whether it is reached)."""
    client = user(app.port)
    path = f"/api/patients/{must(client.post('/api/patients/', patient(1)), 201)['id']}/"
    for title, calls in pressures(app).items():
        quiet, loaded, failed = [], [], 0
        for _ in range(rounds):
            settle(app.process.pid)
            # Warm up: each thread has its own connection to the database.
            bystander(client, path, 1)
            quiet += bystander(client, path, seconds)[0]
            with repeated(calls):
                taken, errors = bystander(client, path, seconds)
            loaded, failed = loaded + taken, failed + errors
        for percent in (50, 99):
            before, after = (sorted(values)[len(values) * percent // 100] for values in (quiet, loaded))
            got = f"{after / before:.1f}x ({before:.1f}, then {after:.1f} ms)" + (
                f", {failed} errors" if failed else ""
            )
            say(f"{title}, p{percent}: {got}")
            case = f"{kind}, {title}, p{percent}"
            yield case, f"≤ {GOAL}x, no error", got, after <= GOAL * before and not failed


def section(results, rounds, seconds, busy):
    """Return the section of RESULTS.md."""
    return f"""
## Under pressure

{report.machine(f"make bench ROUNDS={rounds} SECONDS={seconds}", busy)}

{report.goals(results)}

A bystander reads one patient {RATE} times a second over one connection, or as often as it is answered: first on the
quiet server, then while others load it, {rounds} times {seconds} s of each. The server is `make serve` with {WORKERS}
workers, on the same cores as the database and all clients. Log-ins that are refused retry after `Retry-After`;
{SEARCHERS} users search {SEARCHED:,} patients each, again and again; the lists have {LISTED:,} rows and are read at
128 KB/s, without nginx in front; the import is a preview in the admin and its confirmation.
"""
