"""Response times of one client, the bystander, while others load the server."""

import multiprocessing
import time
from functools import partial

from faults import processes
from faults.client import PASSWORD, Api, concurrently, must, patient, tally, user
from faults.memory import seed

LOGINS = 200
ACCOUNTS = 20
QUIET_SECONDS = 3
BURSTS = 3
SEARCHES = 64
SEARCH_SECONDS = 10
SLOWER = 3
# A p99 below this is accepted: clients, server and database share the same cores.
ACCEPTED_SECONDS = 0.05
WORKER_MEGABYTES = 200
PATIENTS = "/api/patients/"


def log_ins(world, row, kind):
    """Two hundred concurrent log-ins.

    All log in concurrently, and retry after Retry-After until all have succeeded; three times. A bystander's p99,
    including /healthz, is at most three times its idle p99 or 50 ms, the only errors are 503 and 429 with Retry-After,
    and no worker uses 200 MB or more.
    """
    with world.app(kind) as app:
        bystander, accounts = user(app.port), [user(app.port).account for _ in range(ACCOUNTS)]
        under_pressure(row, app, bystander, partial(log_in_bursts, app.port, accounts))
        peak = max(processes.memory(pid, "VmHWM") for pid in app.workers())
        row.require(peak < WORKER_MEGABYTES, f"a worker used {peak:.0f} MB")
        row.requests = f"{BURSTS} x {LOGINS} concurrent log-ins"
        row.responses += f"; a worker used at most {peak:.0f} MB"


def under_pressure(row, app, bystander, pressure):
    """Measure the bystander alone, then while `pressure` runs in another process."""
    pk = must(bystander.post(PATIENTS, patient(1)), 201)["id"]
    calls = [partial(bystander.get, f"{PATIENTS}{pk}/"), partial(bystander.get, "/healthz")]
    idle = measured(calls, lambda started: time.monotonic() < started + QUIET_SECONDS)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    load = context.Process(target=lambda: results.put(pressure()))
    load.start()
    busy = measured(calls, lambda _: load.is_alive() and results.empty())
    violations, responses = results.get()
    load.join()
    row.violations += violations
    limit = max(p99(idle) * SLOWER, ACCEPTED_SECONDS)
    row.require(p99(busy) <= limit, f"a bystander's p99 of {p99(busy) * 1000:.0f} ms, idle {p99(idle) * 1000:.0f} ms")
    failed = [answer for answer in busy if answer.status != 200]
    row.require(not failed, f"the bystander got {tally(failed)}")
    row.require(not app.errors(), f"{len(app.errors())} responses were 500")
    row.responses = f"{responses}; bystander p50 and p99: {median(busy)} and {p99(busy) * 1000:.1f} ms"
    row.responses += f", idle {median(idle)} and {p99(idle) * 1000:.1f} ms"


def measured(calls, running):
    """Make the calls in turn, every few milliseconds, while `running(started)`; return the responses."""
    started, answers = time.monotonic(), []
    while running(started) or not answers:
        answers += [call() for call in calls]
        time.sleep(0.002)
    return answers


def p99(answers):
    return sorted(answer.seconds for answer in answers)[int(len(answers) * 0.99)]


def median(answers):
    return f"{sorted(answer.seconds for answer in answers)[len(answers) // 2] * 1000:.1f}"


def log_in_bursts(port, accounts):
    """Send BURSTS bursts of LOGINS concurrent log-ins; return the violations and a tally of the responses."""
    api, answers = Api(port), []
    for _ in range(BURSTS):
        calls = [partial(log_in, api, accounts[number % len(accounts)]) for number in range(LOGINS)]
        answers += [answer for attempts in concurrently(*calls) for answer in attempts]
    violations = [
        f"a log-in got {answer.name} {answer.body[:80]!r}"
        for answer in answers
        if answer.status not in (200, 429) and not answer.documented_503
    ]
    return violations, tally(answers)


def log_in(api, account):
    """Log in, retrying after Retry-After; return every response."""
    answers = []
    while not answers or answers[-1].status in (429, 503):
        if answers:
            time.sleep(int(answers[-1].headers.get("Retry-After", "1")))
        answers.append(api.post("/api/auth/login/", {"email": account["email"], "password": PASSWORD}))
    return answers


def searches(world, row, kind):
    """One user sends sixty-four concurrent searches.

    They repeat for some seconds, over 20,000 patients. The searches get 200, or 429 with Retry-After, and a bystander's
    p99 is at most three times its idle one or 50 ms.
    """
    with world.app(kind, USER_CONCURRENT_REQUESTS="") as app:
        bystander, searcher = user(app.port), user(app.port)
        seed(app, searcher, 20_000)
        under_pressure(row, app, bystander, partial(search, searcher))
        row.requests = f"{SEARCHES} concurrent searches by one user, for {SEARCH_SECONDS} s"


def search(api):
    """Run SEARCHES searching clients of one user; return the violations and a tally of the responses."""
    end = time.monotonic() + SEARCH_SECONDS

    def keep_searching():
        answers = []
        while time.monotonic() < end:
            answers.append(api.get(f"{PATIENTS}?search=99%20street"))
            time.sleep(int(answers[-1].headers.get("Retry-After", "0")))
        return answers

    answers = [answer for attempts in concurrently(*[keep_searching] * SEARCHES) for answer in attempts]
    violations = [f"a search got {answer.name}" for answer in answers if answer.status not in (200, 429)]
    return violations, tally(answers)
