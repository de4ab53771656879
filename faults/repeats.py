"""A worker is killed while it processes a write from nginx: nginx must not send the write again."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from faults import processes
from faults.client import concurrently, must, patient, tally, user
from faults.databases import SQLite
from faults.proxy import Nginx

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
HELD_SECONDS = 1
VERSIONS = "SELECT count(*) FROM patients_historicalpatient"


def writes_sent_once(world, row, kind):
    """A worker is killed while it processes a write.

    The table of patients is locked; a POST, PUT, PATCH or DELETE arrives on a keep-alive connection from nginx and
    waits for the lock; every worker is killed (kill -9), and a second later the lock is released. The client gets 503,
    and the write was executed at most once.
    """
    with world.app(kind, TRUSTED_PROXIES="1") as app, Nginx(world, app.port) as nginx:
        client, answers, effects = user(nginx.port, tls=True), [], 0
        for number in range(world.rounds):
            stored = must(client.post("/api/patients/", patient(4 * number)), 201)["id"]
            record = f"/api/patients/{stored}/"
            for method, path, body in [
                ("POST", "/api/patients/", patient(4 * number + 1)),
                ("PUT", record, patient(4 * number + 2)),
                ("PATCH", record, {"age": 31}),
                ("DELETE", record, None),
            ]:
                ((before,),) = app.database.rows(VERSIONS)
                answer = interrupted(app, client, partial(client.request, method, path, body))
                ((after,),) = app.database.rows(VERSIONS)
                row.require(answer.documented_503, f"{method}: {answer.name} {answer.body[:100]!r}")
                row.require(after - before <= 1, f"{method}: executed {after - before} times")
                answers.append(answer)
                effects += after - before
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"{len(answers)} writes, each to a worker killed while waiting for a lock"
        row.responses = f"{tally(answers)}; {effects} of them executed"


def interrupted(app, client, write):
    """Send a write that waits for a lock, kill the workers, release the lock; return the write's response."""
    # Open keep-alive connections from nginx; the write uses one of them.
    concurrently(*[partial(client.get, "/api/patients/?limit=1")] * 16)
    workers = app.workers()
    with ThreadPoolExecutor(1) as pool:
        with locked(app.database):
            waiting = pool.submit(write)
            wait_for_lock(app.database)
            processes.kill(workers)
            processes.wait_until(lambda: len({*app.workers()} - {*workers}) == len(workers), 30, "no new workers")
            time.sleep(HELD_SECONDS)
        answer = waiting.result()
    processes.wait_until(lambda: client.get("/readyz").status == 200, 30, "the app did not recover", app.log)
    return answer


@contextmanager
def locked(database):
    """Block writes to the table of patients by other connections."""
    if database.name == SQLite.name:
        connection = sqlite3.connect(database.path, timeout=20, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection = database.cluster.connect(database.database)
        connection.cursor().execute("BEGIN; LOCK TABLE patients_patient IN EXCLUSIVE MODE")
    try:
        yield
    finally:
        connection.close()


def wait_for_lock(database):
    if database.name == SQLite.name:
        # SQLite does not report waiting connections.
        time.sleep(0.5)
    else:
        processes.wait_until(lambda: database.rows(WAITING), 5, "the write did not wait for the lock")
