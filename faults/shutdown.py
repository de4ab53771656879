"""Graceful shutdown: after SIGTERM, requests in flight are completed."""

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


class Client(threading.Thread):
    """Make requests in a loop until the connection is refused."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call, self.answers, self.stopping = call, [], threading.Event()

    def run(self):
        while not self.stopping.is_set():
            self.answers.append(self.call())
            if self.answers[-1].error == "ConnectionRefusedError":
                return


class KeepAliveReader:
    """Read a page over one persistent connection, as clients with a connection pool do."""

    def __init__(self, api):
        self.api, self.connection = api, api.connect()

    def __call__(self):
        started = time.monotonic()
        try:
            # Reconnects only after a response with "Connection: close".
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

    Clients read, post, log in and fetch a long list concurrently, on new and on persistent connections. Every request
    gets a complete response until the port is closed; then connections are refused. At most one connection per SIGTERM
    may be reset unread, if it is opened just as the port closes. The app exits within the grace period.
    """
    terminate_under_load(world, row, kind, through_nginx=False)


def terminated_behind_nginx(world, row, kind):
    """SIGTERM under load, behind nginx.

    The same clients through nginx: every response is complete, or nginx's 503 with Retry-After.
    """
    terminate_under_load(world, row, kind, through_nginx=True)


def terminate_under_load(world, row, kind, through_nginx):
    with world.app(kind) as app, Nginx(world, app.port) if through_nginx else nullcontext(app) as front:
        reader, *others = [user(front.port, tls=through_nginx) for _ in range(3)]
        writers = [Writer(other) for other in others]
        seed(app, reader, LONG_LIST)
        calls = [partial(reader.get, "/api/auth/me/")] * 2 + [KeepAliveReader(reader) for _ in range(2)]
        calls += [partial(reader.post, "/api/auth/login/", reader.account), partial(reader.get, "/api/patients/")]
        calls += [writer.create for writer in writers]
        answers, in_flight, longest = [], 0, 0
        for _ in range(world.rounds):
            clients = [Client(call) for call in calls]
            served = app.served()
            signalled, exited = terminate(app, clients)
            served = app.served() - served
            longest = max(longest, exited - signalled)
            received = [answer for client in clients for answer in client.answers]
            in_flight += sum(
                answer.at - answer.seconds < signalled < answer.at for answer in received if answer.status in (200, 201)
            )
            wrong = [answer for answer in received if not acceptable(answer, signalled, through_nginx)]
            row.require(not wrong, f"unexpected responses: {tally(wrong)}")
            completed = sum(answer.status in (200, 201) for answer in received)
            row.require(
                len(served) == completed,
                f"{len(served)} requests reached the application, {completed} got a response",
            )
            answers += received
            app.start()
            account_for(row, app.database, writers)
        row.require(longest < GRACE_SECONDS, f"the app exited only after {longest:.0f} s")
        reset = [answer for answer in answers if answer.error in RESET]
        row.require(len(reset) <= world.rounds, f"connections reset: {tally(reset)}")
        row.require(in_flight, "the fault did not occur: no request was in flight at SIGTERM")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"{len(answers)} requests from {len(calls)} clients; {world.rounds} SIGTERMs"
        row.responses = f"{tally(answers)}; {in_flight} in flight at SIGTERM completed; exited after {longest:.1f} s"


def terminate(app, clients):
    """Start the clients and send SIGTERM to the app; return the timestamps of the signal and of the exit."""
    for client in clients:
        client.start()
    time.sleep(LOAD_SECONDS)
    signalled = time.monotonic()
    os.kill(app.master(), signal.SIGTERM)
    app.process.wait(GRACE_SECONDS + 5)
    exited = time.monotonic()
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join()
    return signalled, exited


def acceptable(answer, signalled, through_nginx):
    """Return whether a request succeeded, or was rejected after the signal."""
    if answer.status in (200, 201):
        return True
    rejected = answer.documented_503 if through_nginx else answer.error in {"ConnectionRefusedError", *RESET}
    return rejected and answer.at > signalled
