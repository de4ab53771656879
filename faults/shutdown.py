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
KEPT_CLOSED = "kept connection closed"
TURNED_AWAY = {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", "BrokenPipeError"}


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
        self.api, self.connection, self.used = api, None, False

    def __call__(self):
        started = time.monotonic()
        try:
            if self.connection is None:
                self.connection, self.used = self.api.connect(), False
            headers = self.api.headers({"Connection": "keep-alive"})
            self.connection.request("GET", "/api/patients/?limit=5", headers=headers)
            response = self.connection.getresponse()
            told = response.status, response.headers, response.read(), ""
            self.used = True
        except (OSError, HTTPException) as failure:
            self.connection.close()
            self.connection = None
            # RFC 9112, 9.3.1: a server may close an idle connection at any time, and a client then repeats a GET.
            told = 0, Message(), b"", KEPT_CLOSED if self.used else type(failure).__name__
        return Answer(*told[:3], time.monotonic() - started, time.monotonic(), told[3])


def terminated(world, row, kind):
    """SIGTERM under load.

    Clients with new connections and with kept ones read, post, log in and fetch a long list, at once. Every request
    that reached the project is answered, whole. The other clients learn at once that they were not served, and can ask
    again: a kept connection is closed between two requests; a connection is refused, or, when it was made in the very
    moment the socket closed, dropped unread. The app ends by itself within the grace time.
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
        calls += [partial(post, writer) for writer in writers]
        answers, late, longest = [], 0, 0
        for _ in range(world.rounds):
            visitors = [Visitor(call) for call in calls]
            served = app.served()
            asked, ended = terminate(app, visitors)
            served = app.served() - served
            longest = max(longest, ended - asked)
            told = [answer for visitor in visitors for answer in visitor.answers]
            late += sum(
                answer.at - answer.seconds < asked < answer.at for answer in told if answer.status in (200, 201)
            )
            wrong = [answer for answer in told if not legitimate(answer, asked, through_nginx)]
            row.require(not wrong, f"not answered: {tally(wrong)}")
            answered = sum(answer.status in (200, 201) for answer in told)
            row.require(
                len(served) == answered, f"{len(served)} requests reached the project, {answered} were answered"
            )
            answers += told
            app.start()
            account_for(row, app.database, writers)
        row.require(longest < GRACE_SECONDS, f"the app ended only after {longest:.0f} s")
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
    """Tell whether a request may end so: answered, or turned away before it was taken."""
    if answer.status in (200, 201) or answer.error == KEPT_CLOSED:
        return True
    if answer.at < asked:
        return False
    return answer.promised_503 if through_nginx else answer.error in TURNED_AWAY


def post(writer):
    writer.number += 1
    return writer.create()
