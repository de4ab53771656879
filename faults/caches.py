"""Redis: counters shared by the workers, and operation without Redis."""

import signal
import subprocess
import time
from contextlib import contextmanager
from functools import partial

from faults import processes
from faults.client import concurrently, patient, tally, user

FAILURES = 10
GUESSES = 30
MANY = 40
# The app's time-out for Redis is 0.25 s; the rest is margin for a busy machine.
FROZEN_SECONDS = 5
# Longer than the app's pause before it retries Redis.
PAUSE_SECONDS = 6


class Redis:
    """A redis-server without persistence."""

    def __init__(self, world):
        self.folder, self.port, self.process = world.new_folder(), world.port(), None

    def start(self):
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder]
        self.process = subprocess.Popen(
            [processes.program("redis-server"), "--port", str(self.port), *options],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        processes.wait_until(lambda: processes.listening(self.port), 10, "Redis did not start")

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


def redis_unavailable(world, row, kind):
    """Redis runs, stops, freezes and recovers.

    Thirty concurrent wrong passwords against two workers: exactly LOGIN_FAILURES are checked. With Redis stopped, every
    response is unchanged, log-ins are counted in the database, and the app starts. With Redis frozen, eighty concurrent
    requests succeed, the slowest after one time-out.
    """
    with (
        redis(world) as server,
        world.app(
            kind,
            CACHE_URL=f"redis://127.0.0.1:{server.port}/0",
            LOGIN_FAILURES=str(FAILURES),
            # A single window that outlasts the run.
            LOGIN_FAILURE_SECONDS="100000000",
        ) as app,
    ):
        client, victim = user(app.port), user(app.port)
        row.responses = f"counted: {tally(guess(row, victim))}"
        server.stop()
        row.responses += f"; stopped: {tally(ask(row, client, 'stopped'))}, {tally(guess(row, user(app.port)))}"
        server.start()
        time.sleep(PAUSE_SECONDS)
        server.process.send_signal(signal.SIGSTOP)
        try:
            answers = concurrently(*[partial(client.get, "/readyz"), partial(client.get, "/healthz")] * MANY)
            slowest = max(answer.seconds for answer in answers)
            row.require({answer.status for answer in answers} == {200}, f"Redis frozen: {tally(answers)}")
            row.require(slowest < FROZEN_SECONDS, f"Redis frozen: {slowest:.1f} s")
            row.responses += f"; frozen: {tally(answers)} in {slowest:.1f} s, {tally(ask(row, client, 'frozen'))}"
        finally:
            server.process.send_signal(signal.SIGCONT)
        time.sleep(PAUSE_SECONDS)
        row.responses += f"; recovered: {tally(ask(row, client, 'recovered'))}"
        server.stop()
        app.kill()
        app.start()
        row.responses += f"; app started without it: {tally(ask(row, client, 'absent at the start'))}"
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"{GUESSES} concurrent wrong passwords, twice; {MANY * 2} concurrent requests"


def guess(row, victim):
    """Log in concurrently with wrong passwords; require that exactly FAILURES are checked."""
    wrong = {**victim.account, "password": "not this one"}
    answers = concurrently(*[partial(victim.post, "/api/auth/login/", wrong)] * GUESSES)
    answers += [victim.post("/api/auth/login/", wrong) for _ in range(FAILURES)]
    checked = [answer for answer in answers if answer.status == 401]
    others = [answer for answer in answers if answer.status != 401]
    row.require(len(checked) == FAILURES, f"guesses: {tally(answers)}")
    row.require(all(answer.status == 429 or answer.documented_503 for answer in others), f"guesses: {tally(others)}")
    return answers


def ask(row, client, state):
    """Make every kind of request; require that each gets its normal response in time."""
    calls = [partial(client.get, path) for path in ("/api/patients/", "/healthz", "/readyz")]
    calls += [partial(client.post, "/api/auth/login/", client.account)]
    calls += [partial(client.post, "/api/patients/", patient(number)) for number in range(3)]
    answers = [call() for call in calls]
    for answer in answers:
        message = f"Redis {state}: {answer.name} after {answer.seconds:.1f} s {answer.body[:100]!r}"
        row.require(answer.status in {200, 201, 400}, message)
        row.require(answer.seconds < FROZEN_SECONDS, message)
    return answers
