"""SIGTERM while clients are being served: what is in flight is finished."""

import os
import signal
import threading
import time
from contextlib import nullcontext
from email.message import Message
from functools import partial
from http.client import HTTPException

from faults.client import Answer, tally, user
from faults.memory import seed
from faults.proxy import Nginx
from faults.writers import Writer, account_for

GRACE_SECONDS = 30
LOAD_SECONDS = 1.5
LONG_LIST = 10_000
RESET = {"ConnectionResetError", "RemoteDisconnected", "BrokenPipeError"}


class Visitor(threading.Thread):
    """Make one call after another until nobody listens any more."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call, self.answers, self.stopping = call, [], threading.Event()

    def run(self):
        while not self.stopping.is_set():
            self.answers.append(self.call())
            if self.answers[-1].error == "ConnectionRefusedError":
                return


class KeptConnection:
    """Read again and again over one connection, as clients with a pool do."""

    def __init__(self, api):
        self.api, self.connection = api, api.connect()

    def __call__(self):
        started = time.monotonic()
        try:
            # Reconnects only if the previous answer said "Connection: close".
            headers = self.api.headers({"Connection": "keep-alive"})
            self.connection.request("GET", "/api/patients/?limit=5", headers=headers)
            response = self.connection.getresponse()
            received = response.status, response.headers, response.read()
            error = ""
        except (OSError, HTTPException) as failure:
            self.connection.close()
            received, error = (0, Message(), b""), type(failure).__name__
        now = time.monotonic()
        return Answer(*received, now - started, now, error)


def terminated(world, row, kind):
    """SIGTERM under load.

    Clients with new connections and with kept ones read, post, log in and fetch a long list concurrently. Every request
    is answered completely, on either kind of connection, until the port is closed: then connections are refused.
    One that is made at that instant may be reset, unread; more than one a SIGTERM may not. The app ends by itself
    within the grace time.
    """
    stopped(world, row, kind, through_nginx=False)


def terminated_behind_nginx(world, row, kind):
    """SIGTERM under load, behind nginx.

    The same clients through nginx: every answer is whole, or nginx's 503 with Retry-After.
    """
    stopped(world, row, kind, through_nginx=True)


def stopped(world, row, kind, through_nginx):
    with world.app(kind) as app, Nginx(world, app.port) if through_nginx else nullcontext(app) as front:
        reader, *others = [user(front.port, tls=through_nginx) for _ in range(3)]
        writers = [Writer(other) for other in others]
        seed(app, reader, LONG_LIST)
        calls = [partial(reader.get, "/api/auth/me/")] * 2 + [KeptConnection(reader) for _ in range(2)]
        calls += [partial(reader.post, "/api/auth/login/", reader.account), partial(reader.get, "/api/patients/")]
        calls += [writer.create for writer in writers]
        answers, late, longest = [], 0, 0
        for _ in range(world.rounds):
            visitors = [Visitor(call) for call in calls]
            served = app.served()
            asked, ended = terminate(app, visitors)
            served = app.served() - served
            longest = max(longest, ended - asked)
            received = [answer for visitor in visitors for answer in visitor.answers]
            late += sum(
                answer.at - answer.seconds < asked < answer.at for answer in received if answer.status in (200, 201)
            )
            wrong = [answer for answer in received if not legitimate(answer, asked, through_nginx)]
            row.require(not wrong, f"not answered: {tally(wrong)}")
            answered = sum(answer.status in (200, 201) for answer in received)
            row.require(
                len(served) == answered, f"{len(served)} requests reached the project, {answered} were answered"
            )
            answers += received
            app.start()
            account_for(row, app.database, writers)
        row.require(longest < GRACE_SECONDS, f"the app ended only after {longest:.0f} s")
        reset = [answer for answer in answers if answer.error in RESET]
        row.require(len(reset) <= world.rounds, f"reset instead of answered: {tally(reset)}")
        row.require(late, "nothing was in flight at SIGTERM: the scene was not set")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = f"{len(answers)} requests of {len(calls)} clients; {world.rounds} SIGTERMs"
        row.answered = f"{tally(answers)}; {late} in flight at SIGTERM were answered; ended after {longest:.1f} s"


def terminate(app, visitors):
    """Let the visitors come, end the app under them; return when it was asked to end, and when it had."""
    for visitor in visitors:
        visitor.start()
    time.sleep(LOAD_SECONDS)
    asked = time.monotonic()
    os.kill(app.master(), signal.SIGTERM)
    app.process.wait(GRACE_SECONDS + 5)
    ended = time.monotonic()
    for visitor in visitors:
        visitor.stopping.set()
    for visitor in visitors:
        visitor.join()
    return asked, ended


def legitimate(answer, asked, through_nginx):
    """Tell whether a request may end so: answered, or turned away after the app was asked to end."""
    if answer.status in (200, 201):
        return True
    turned_away = answer.promised_503 if through_nginx else answer.error in {"ConnectionRefusedError", *RESET}
    return turned_away and answer.at > asked
