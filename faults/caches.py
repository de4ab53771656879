"""Redis: counters across the workers, and what happens without it."""

import signal
import subprocess
import time
from contextlib import contextmanager
from functools import partial

from faults import processes
from faults.client import at_once, patient, tally, user
from faults.outages import BACK_SECONDS

FAILURES = 10
GUESSES = 30
FROZEN_SECONDS = 10


class Redis:
    """A redis-server that keeps nothing on disk."""

    def __init__(self, world):
        self.folder, self.port, self.process = world.new_folder(), world.port(), None

    def start(self):
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder]
        self.process = subprocess.Popen(
            [processes.program("redis-server"), "--port", str(self.port), *options],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        processes.wait_until(lambda: processes.listening(self.port), 10, "Redis does not start")

    def stop(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def redis(world):
    server = Redis(world)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def redis_away(world, row, kind):
    """Redis counts, stops, freezes and comes back.

    Thirty concurrent wrong passwords against two workers: exactly LOGIN_FAILURES are tried, the others are 429. With
    Redis stopped and with Redis frozen, every answer is the usual one or 503 with Retry-After, within ten seconds;
    /healthz is 200. Within 5 seconds of its return everything works.
    """
    with (
        redis(world) as server,
        world.app(
            kind,
            CACHE_URL=f"redis://127.0.0.1:{server.port}/0",
            LOGIN_FAILURES=str(FAILURES),
            # One window for the whole run: a new one begins when the clock passes a multiple.
            LOGIN_FAILURE_SECONDS="100000000",
        ) as app,
    ):
        client, victim, workers = user(app.port), user(app.port), app.workers()
        wrong = {**victim.account, "password": "not this one"}
        guesses = at_once(*[partial(victim.post, "/api/auth/login/", wrong)] * GUESSES)
        statuses = sorted(answer.status for answer in guesses)
        row.require(statuses == [401] * FAILURES + [429] * (GUESSES - FAILURES), f"guesses: {tally(guesses)}")
        seen = {}
        server.stop()
        seen["stopped"] = ask(row, client, "stopped")
        server.start()
        slowest = seconds_until_back(row, client)
        server.process.send_signal(signal.SIGSTOP)
        try:
            seen["frozen"] = ask(row, client, "frozen")
        finally:
            server.process.send_signal(signal.SIGCONT)
        slowest = max(slowest, seconds_until_back(row, client))
        row.require(app.workers() == workers, "a worker was restarted")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = f"{GUESSES} concurrent wrong passwords; {len(seen['stopped'])} requests stopped and frozen each"
        row.answered = f"{tally(guesses)}; " + "; ".join(f"{how}: {tally(answers)}" for how, answers in seen.items())
        row.answered += f"; well {slowest:.1f} s after its return"


def ask(row, client, state):
    """Make every kind of request while Redis is unavailable."""
    calls = [partial(client.get, path) for path in ("/api/patients/", "/healthz", "/readyz")]
    calls += [partial(client.post, "/api/auth/login/", client.account)]
    calls += [partial(client.post, "/api/patients/", patient(number)) for number in range(3)]
    answers = [call() for call in calls]
    usual = {200, 201, 400}
    for answer in answers:
        said = f"Redis {state}: {answer.name} after {answer.seconds:.0f} s {answer.body[:100]!r}"
        row.require(answer.status in usual or answer.promised_503, said)
        row.require(answer.seconds < FROZEN_SECONDS, said)
    row.require(answers[1].status == 200, f"Redis {state}: /healthz said {answers[1].name}")
    return answers


def seconds_until_back(row, client):
    """Return how long after the return of Redis a log-in and a list are answered again."""
    returned = time.monotonic()
    while time.monotonic() < returned + BACK_SECONDS:
        answers = [client.post("/api/auth/login/", client.account), client.get("/api/patients/")]
        if {answer.status for answer in answers} == {200}:
            return time.monotonic() - returned
    row.require(False, f"{BACK_SECONDS} s after the return of Redis: {tally(answers)}")
    return BACK_SECONDS
