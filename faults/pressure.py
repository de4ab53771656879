"""What one client waits for while others ask for much: the bystander reads one patient, again and again."""

import multiprocessing
import time
from functools import partial

from faults.client import PASSWORD, Api, concurrently, must, patient, tally, user
from faults.memory import seed

LOGINS = 200
ACCOUNTS = 20
QUIET_SECONDS = 3
STORMS = 3
SEARCHES = 64
SEARCH_SECONDS = 10
SEARCHING_SECONDS = 2
SLOWER = 3
# Seconds that nobody notices, and that clients, server and database on the same two cores take from each other.
UNNOTICED = 0.05
PATIENTS = "/api/patients/"


def log_ins(world, row, kind):
    """Two hundred concurrent log-ins.

    All log in concurrently, and again after Retry-After where refused, until all are in; three times. A bystander's
    p99 is at most three times its quiet one or 50 ms, /healthz included, and nobody gets an error but 503 or 429
    with Retry-After.
    """
    with world.app(kind) as app:
        bystander, accounts = user(app.port), [user(app.port).account for _ in range(ACCOUNTS)]
        under_pressure(row, app, bystander, partial(storm, app.port, accounts))
        row.sent = f"{STORMS} x {LOGINS} concurrent log-ins"


def under_pressure(row, app, bystander, pressure, limit=None):
    """Measure the bystander alone, then while `pressure` runs in a process of its own; the p99 may reach `limit`."""
    one = must(bystander.post(PATIENTS, patient(1)), 201)["id"]
    calls = [partial(bystander.get, f"{PATIENTS}{one}/"), partial(bystander.get, "/healthz")]
    quiet = measured(calls, lambda started: time.monotonic() < started + QUIET_SECONDS)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    others = context.Process(target=lambda: results.put(pressure()))
    others.start()
    busy = measured(calls, lambda _: others.is_alive() and results.empty())
    rules, said = results.get()
    others.join()
    row.broken += rules
    limit = limit or max(p99(quiet) * SLOWER, UNNOTICED)
    row.require(p99(busy) <= limit, f"a bystander's p99 of {p99(busy) * 1000:.0f} ms, quiet {p99(quiet) * 1000:.0f} ms")
    failed = [answer for answer in busy if answer.status != 200]
    row.require(not failed, f"the bystander got {tally(failed)}")
    row.require(not app.errors(), f"{len(app.errors())} answers were 500")
    row.answered = f"{said}; bystander p50 and p99: {median(busy)} and {p99(busy) * 1000:.1f} ms"
    row.answered += f", quiet {median(quiet)} and {p99(quiet) * 1000:.1f} ms"


def measured(calls, go_on):
    """Make the calls in turn, one every few milliseconds, as long as `go_on(started)`; return the answers."""
    started, answers = time.monotonic(), []
    while go_on(started) or not answers:
        answers += [call() for call in calls]
        time.sleep(0.002)
    return answers


def p99(answers):
    return sorted(answer.seconds for answer in answers)[int(len(answers) * 0.99)]


def median(answers):
    return f"{sorted(answer.seconds for answer in answers)[len(answers) // 2] * 1000:.1f}"


def storm(port, accounts):
    """Log in LOGINS times concurrently, STORMS times; return the rules that were broken, and what was answered."""
    api, answers = Api(port), []
    for _ in range(STORMS):
        calls = [partial(log_in, api, accounts[number % len(accounts)]) for number in range(LOGINS)]
        answers += [answer for tried in concurrently(*calls) for answer in tried]
    rules = [
        f"a log-in was answered {answer.name} {answer.body[:80]!r}"
        for answer in answers
        if answer.status not in (200, 429) and not answer.promised_503
    ]
    return rules, tally(answers)


def log_in(api, account):
    """Log in, and again after Retry-After where refused; return every answer."""
    answers = []
    while not answers or answers[-1].status in (429, 503):
        if answers:
            time.sleep(int(answers[-1].headers.get("Retry-After", "1")))
        answers.append(api.post("/api/auth/login/", {"email": account["email"], "password": PASSWORD}))
    return answers


def searches(world, row, kind):
    """One user sends sixty-four concurrent searches.

    Again and again for some seconds, in 20,000 patients. The searches are answered, or 429 with Retry-After, and a
    bystander's p99 is under two seconds, whatever the searches leave of the processor.
    """
    with world.app(kind, USER_CONCURRENT_REQUESTS="") as app:
        bystander, greedy = user(app.port), user(app.port)
        seed(app, greedy, 20_000)
        under_pressure(row, app, bystander, partial(search, greedy), SEARCHING_SECONDS)
        row.sent = f"{SEARCHES} concurrent searches by one user, for {SEARCH_SECONDS} s"


def search(api):
    """Keep SEARCHES clients of one user searching; return the rules that were broken, and what was answered."""
    end = time.monotonic() + SEARCH_SECONDS

    def keep_searching():
        answers = []
        while time.monotonic() < end:
            answers.append(api.get(f"{PATIENTS}?search=99%20street"))
            time.sleep(int(answers[-1].headers.get("Retry-After", "0")))
        return answers

    answers = [answer for tried in concurrently(*[keep_searching] * SEARCHES) for answer in tried]
    rules = [f"a search was answered {answer.name}" for answer in answers if answer.status not in (200, 429)]
    return rules, tally(answers)
