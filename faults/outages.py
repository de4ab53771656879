"""The app and PostgreSQL killed, stopped, restarted and frozen while clients write."""

import time
from contextlib import closing
from functools import partial
from runpy import run_path

from faults.client import Api, concurrently, patient, tally, user
from faults.databases import Cluster
from faults.world import ROOT
from faults.writers import account_for, answered, new_writers, sent_by, writing

BACK_SECONDS = 5
AWAY_SECONDS = 1.5
DB_TIMEOUT = 2
SLACK_SECONDS = 1
# Of one worker.
THREADS = run_path(str(ROOT / "deploy/gunicorn.conf.py"))["threads"]
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def app_killed(world, row, kind):
    """The app is killed (kill -9) in mid-write.

    Four clients write; every process of `make serve` is killed, at a different time in each round, and started again.
    Every acknowledged write must be there, with its history, and nothing half-written.
    """
    with world.app(kind) as app:
        writers, done = new_writers(app.port), []
        for cycle in range(world.rounds):
            writers = [writer.restarted() for writer in writers]
            with writing(writers):
                time.sleep(0.6 + cycle % 10 / 10)
                app.kill()
            done += writers
            app.start()
            account_for(row, app.database, writers)
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent, row.answered = sent_by(writers, f"{world.rounds} kills"), answered(done)


def postgresql_killed(world, row, kind):
    """PostgreSQL is killed (kill -9) in mid-write.

    Every process of it, four clients writing; started again shortly afterwards. While it is down: 503 with Retry-After,
    /healthz 200, /readyz 503. Within 5 seconds of its return all is well, the workers are the same, nothing is lost.
    """
    away(world, row, kind, [Cluster.KILL] * world.rounds, AWAY_SECONDS)


def postgresql_stopped(world, row, kind):
    """PostgreSQL is stopped for a while under load, fast and immediate.

    As if killed: `pg_ctl stop -m fast` and `-m immediate` in turn.
    """
    away(world, row, kind, [Cluster.FAST, Cluster.IMMEDIATE] * (world.rounds // 2 or 1), AWAY_SECONDS)


def postgresql_restarted(world, row, kind):
    """PostgreSQL is restarted under load, fast and immediate.

    As if killed, but started again immediately, as `pg_ctl restart` does.
    """
    away(world, row, kind, [Cluster.FAST, Cluster.IMMEDIATE] * (world.rounds // 2 or 1), 0)


def away(world, row, kind, stops, seconds):
    """Stop our cluster in each of these ways under load, for so long, and see to the rules of an outage."""
    cluster, slowest = world.cluster, 0
    with world.app(kind) as app:
        writers, workers = new_writers(app.port), app.workers()
        with writing(writers):
            for how in stops:
                time.sleep(0.7)
                cluster.stop(how)
                if seconds:
                    check_away(row, app, seconds)
                returned = cluster.start()
                slowest = max(slowest, seconds_until_back(app, row, returned))
        check_answers(row, writers)
        row.require(app.workers() == workers, "a worker was restarted")
        account_for(row, app.database, writers)
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.sent = sent_by(writers, f"{len(stops)} outages")
        row.answered = f"{answered(writers)}; well {slowest:.1f} s after its return; the same workers"


def check_away(row, app, seconds):
    """See for so long that the process lives, is not ready, and says 503."""
    until = time.monotonic() + seconds
    api = Api(app.port)
    while time.monotonic() < until:
        alive, ready = api.get("/healthz"), api.get("/readyz")
        row.require(alive.status == 200, f"/healthz said {alive.name} while the database was down")
        row.require(ready.promised_503, f"/readyz said {ready.name} while the database was down")
        login = api.post("/api/auth/login/", {"email": "nobody@example.com", "password": "wrong password"})
        row.require(login.promised_503, f"a log-in was answered {login.name} {login.body[:80]!r}")
        time.sleep(0.1)


def seconds_until_back(app, row, returned):
    """Return how long after the database's return the last 503 was seen, once a second and a half went by without."""
    last, api = returned, Api(app.port)
    while time.monotonic() < last + 1.5:
        bad = [answer for answer in concurrently(*[partial(api.get, "/readyz")] * 4) if answer.status != 200]
        last = max([last, *(answer.at for answer in bad)])
        if last - returned > BACK_SECONDS:
            row.require(False, f"still {bad[0].name} more than {BACK_SECONDS} s after the database's return")
            break
    return last - returned


def check_answers(row, writers):
    """See that clients got what they asked for or the promised 503, and nothing else."""
    wrong = [
        answer
        for writer in writers
        for answer in writer.answers
        if answer.status not in (200, 201) and not answer.promised_503
    ]
    # A retried POST would get a 400 if its 503 came after the commit, but these are never retried.
    row.require(not wrong, f"{len(wrong)} wrong answers, the first {wrong and (wrong[0].name, wrong[0].body[:200])}")


def postgresql_frozen(world, row, kind):
    """PostgreSQL is frozen (SIGSTOP).

    Its sockets stay open and nobody answers. With DB_TIMEOUT=2: single requests of every kind, one after another, each
    the first to find out; then as many concurrent clients as the workers have threads. Every answer is 503 within
    DB_TIMEOUT and a second; after SIGCONT all is well within 5 seconds.
    """
    with world.app(kind, DB_TIMEOUT=str(DB_TIMEOUT)) as app:
        client, workers, cluster = user(app.port), app.workers(), world.cluster
        stored = client.post("/api/patients/", patient(1)).json()["id"]
        calls = {
            "list": partial(client.get, "/api/patients/"),
            "read": partial(client.get, f"/api/patients/{stored}/"),
            "POST": partial(client.post, "/api/patients/", patient(2)),
            "PUT": partial(client.put, f"/api/patients/{stored}/", patient(3)),
            "log-in": partial(client.post, "/api/auth/login/", client.account),
            "refresh": partial(client.post, "/api/auth/refresh/", {"refresh": "a.b.c"} | client.pair),
            "/readyz": partial(client.get, "/readyz"),
        }
        slowest, asked, recovery = ("", 0), 0, 0
        for name, call in [*calls.items()] * max(1, world.rounds // 5):
            warm(app, client, workers)
            cluster.freeze()
            try:
                # The second one finds the connection gone, and then that no new one comes.
                for answer in (call(), call()):
                    asked += 1
                    slowest = max(slowest, (name, answer.seconds), key=lambda pair: pair[1])
                    check_frozen(row, name, answer)
            finally:
                cluster.thaw()
            recovery = max(recovery, seconds_until_back(app, row, time.monotonic()))
        writers = new_writers(app.port, THREADS * len(workers))
        with writing(writers):
            for _ in range(world.rounds // 2 or 1):
                time.sleep(0.7)
                cluster.freeze()
                frozen = time.monotonic()
                try:
                    time.sleep(DB_TIMEOUT * 2 + 0.5)
                    healthz = client.get("/healthz")
                    row.require(healthz.status == 200, f"/healthz said {healthz.name} while the database was frozen")
                finally:
                    cluster.thaw()
                thawed = time.monotonic()
                for writer in writers:
                    for answer in [late for late in writer.answers if frozen < late.at < thawed]:
                        slowest = max(slowest, ("under load", answer.seconds), key=lambda pair: pair[1])
                        if answer.status not in (200, 201):
                            check_frozen(row, "a write under load", answer)
                recovery = max(recovery, seconds_until_back(app, row, thawed))
        account_for(row, app.database, writers)
        row.require(app.workers() == workers, "a worker was restarted")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = f"{asked} single requests, one after another; {sent_by(writers, 'freezes')}"
        row.answered = (
            f"503, the slowest ({slowest[0]}) after {slowest[1]:.1f} s with DB_TIMEOUT={DB_TIMEOUT}; "
            f"{answered(writers)}; well {recovery:.1f} s after SIGCONT"
        )


def postgresql_read_only(world, row, kind):
    """PostgreSQL refuses writes for a while, as during a failover.

    Every session begins while it does. Writes and /readyz are 503, reads go on; five seconds after it takes writes
    again, every thread of every worker stores what it is sent.
    """
    with world.app(kind) as app:
        client, workers = user(app.port), app.workers()
        threads, database = THREADS * len(workers), app.database.database
        with closing(world.cluster.connect()) as server, server.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
            app.database.rows(f"SELECT pg_terminate_backend(pid) FROM ({SESSIONS}) AS sessions")
            warm(app, client, workers)
            refused = concurrently(
                *[partial(client.post, "/api/patients/", patient(number)) for number in range(threads)]
            )
            refused.append(client.get("/readyz"))
            warm(app, client, workers)
            cursor.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        time.sleep(BACK_SECONDS)
        stored = concurrently(*[partial(client.post, "/api/patients/", patient(number)) for number in range(threads)])
        row.require(all(answer.promised_503 for answer in refused), f"while read-only: {tally(refused)}")
        row.require(all(answer.status == 201 for answer in stored), f"{BACK_SECONDS} s later: {tally(stored)}")
        row.require(app.workers() == workers, "a worker was restarted")
        row.require(client.get("/readyz").status == 200, f"/readyz is not 200 after {BACK_SECONDS} s")
        row.sent = f"{threads} creates and /readyz while it was read-only, {threads} creates afterwards"
        row.answered = f"{tally(refused)}; {BACK_SECONDS} s later {tally(stored)}"


def warm(app, client, workers):
    """Give every thread of every worker a connection, so that the next request gets a broken one."""
    threads = THREADS * len(workers)
    for _ in range(50):
        concurrently(*[partial(client.get, "/readyz")] * threads)
        if len(app.database.rows(SESSIONS)) >= threads:
            return
    raise RuntimeError(f"not every one of {threads} threads got a connection")


def check_frozen(row, name, answer):
    limit = DB_TIMEOUT + SLACK_SECONDS
    row.require(answer.promised_503, f"{name}: {answer.name} {answer.body[:120]!r} instead of 503 while frozen")
    row.require(answer.seconds < limit, f"{name}: answered after {answer.seconds:.0f} s, the limit is {limit}")
