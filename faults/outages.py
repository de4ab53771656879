"""The app and PostgreSQL killed, stopped, restarted and frozen while clients write."""

import time
from contextlib import closing
from functools import partial
from runpy import run_path

from faults.client import Api, concurrently, patient, tally, user
from faults.databases import Cluster
from faults.world import ROOT
from faults.writers import account_for, describe_writes, new_writers, response_counts, writing

RECOVERY_SECONDS = 5
OUTAGE_SECONDS = 1.5
DB_TIMEOUT = 2
SLACK_SECONDS = 1
# Per worker.
THREADS = run_path(str(ROOT / "deploy/gunicorn.conf.py"))["threads"]
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def app_killed(world, row, kind):
    """The app is killed (kill -9) during writes.

    Four clients write; every process of `make serve` is killed, at a different time in each round, and restarted. Every
    acknowledged write and its history must be stored, and no write partially.
    """
    with world.app(kind) as app:
        writers, done = new_writers(app.port), []
        for cycle in range(world.rounds):
            writers = [writer.successor() for writer in writers]
            with writing(writers):
                time.sleep(0.6 + cycle % 10 / 10)
                app.kill()
            done += writers
            app.start()
            account_for(row, app.database, writers)
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests, row.responses = describe_writes(writers, f"{world.rounds} kills"), response_counts(done)


def postgresql_killed(world, row, kind):
    """PostgreSQL is killed (kill -9) during writes.

    Every process is killed while four clients write, and PostgreSQL is restarted shortly afterwards. While it is down:
    503 with Retry-After, /healthz 200, /readyz 503. Within 5 seconds of its restart every request succeeds; no worker
    was restarted and no write is lost.
    """
    run_outages(world, row, kind, [Cluster.KILL] * world.rounds, OUTAGE_SECONDS)


def postgresql_stopped(world, row, kind):
    """PostgreSQL is stopped under load and started later.

    As when killed, with `pg_ctl stop -m fast` and `-m immediate` in turn.
    """
    run_outages(world, row, kind, [Cluster.FAST, Cluster.IMMEDIATE] * (world.rounds // 2 or 1), OUTAGE_SECONDS)


def postgresql_restarted(world, row, kind):
    """PostgreSQL is restarted under load.

    As when stopped, but started immediately, as `pg_ctl restart` does.
    """
    run_outages(world, row, kind, [Cluster.FAST, Cluster.IMMEDIATE] * (world.rounds // 2 or 1), 0)


def run_outages(world, row, kind, stops, seconds):
    """Stop PostgreSQL under load in each of the ways `stops`, for `seconds`, and check the responses."""
    cluster, slowest = world.cluster, 0
    with world.app(kind) as app:
        writers, workers = new_writers(app.port), app.workers()
        with writing(writers):
            for how in stops:
                time.sleep(0.7)
                cluster.stop(how)
                if seconds:
                    check_outage(row, app, seconds)
                restarted_at = cluster.start()
                slowest = max(slowest, seconds_to_recover(app, row, restarted_at))
        check_answers(row, writers)
        row.require(app.workers() == workers, "a worker was restarted")
        account_for(row, app.database, writers)
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        damage = app.database.damage()
        row.require(not damage, f"the database is damaged: {damage}")
        row.requests = describe_writes(writers, f"{len(stops)} outages")
        row.responses = f"{response_counts(writers)}; recovered {slowest:.1f} s after the restart; same workers"


def check_outage(row, app, seconds):
    """Check for `seconds` that the app is alive, not ready, and responds with 503."""
    until = time.monotonic() + seconds
    api = Api(app.port)
    while time.monotonic() < until:
        alive, ready = api.get("/healthz"), api.get("/readyz")
        row.require(alive.status == 200, f"/healthz responded {alive.name} while the database was down")
        row.require(ready.documented_503, f"/readyz responded {ready.name} while the database was down")
        login = api.post("/api/auth/login/", {"email": "nobody@example.com", "password": "wrong password"})
        row.require(login.documented_503, f"a log-in got {login.name} {login.body[:80]!r}")
        time.sleep(0.1)


def seconds_to_recover(app, row, restarted_at):
    """Return the seconds from `restarted_at` to the last failed request, after 1.5 s without a failure."""
    last, api = restarted_at, Api(app.port)
    while time.monotonic() < last + 1.5:
        bad = [answer for answer in concurrently(*[partial(api.get, "/readyz")] * 4) if answer.status != 200]
        last = max([last, *(answer.at for answer in bad)])
        if last - restarted_at > RECOVERY_SECONDS:
            row.require(False, f"still {bad[0].name} more than {RECOVERY_SECONDS} s after the database's restart")
            break
    return last - restarted_at


def check_answers(row, writers):
    """Require that every request succeeded or got the documented 503."""
    wrong = [
        answer
        for writer in writers
        for answer in writer.answers
        if answer.status not in (200, 201) and not answer.documented_503
    ]
    # The writers never retry, so a POST that was committed despite its 503 causes no 400 here.
    row.require(not wrong, f"{len(wrong)} unexpected responses, first {wrong and (wrong[0].name, wrong[0].body[:200])}")


def postgresql_frozen(world, row, kind):
    """PostgreSQL is frozen (SIGSTOP).

    Its sockets stay open, but it does not respond. With DB_TIMEOUT=2: single requests of every kind, each the first
    after the freeze; then as many concurrent clients as the workers have threads. Every response is a 503 within
    DB_TIMEOUT plus one second; within 5 seconds of SIGCONT every request succeeds.
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
        slowest, requests, recovery = ("", 0), 0, 0
        for name, call in [*calls.items()] * max(1, world.rounds // 5):
            warm(app, client, workers)
            cluster.freeze()
            try:
                # The first finds its connection frozen; the second cannot open a new one.
                for answer in (call(), call()):
                    requests += 1
                    slowest = max(slowest, (name, answer.seconds), key=lambda pair: pair[1])
                    check_frozen(row, name, answer)
            finally:
                cluster.thaw()
            recovery = max(recovery, seconds_to_recover(app, row, time.monotonic()))
        writers = new_writers(app.port, THREADS * len(workers))
        with writing(writers):
            for _ in range(world.rounds // 2 or 1):
                time.sleep(0.7)
                cluster.freeze()
                frozen = time.monotonic()
                try:
                    time.sleep(DB_TIMEOUT * 2 + 0.5)
                    healthz = client.get("/healthz")
                    row.require(healthz.status == 200, f"/healthz responded {healthz.name} while frozen")
                finally:
                    cluster.thaw()
                thawed = time.monotonic()
                for writer in writers:
                    for answer in [late for late in writer.answers if frozen < late.at < thawed]:
                        slowest = max(slowest, ("under load", answer.seconds), key=lambda pair: pair[1])
                        if answer.status not in (200, 201):
                            check_frozen(row, "a write under load", answer)
                recovery = max(recovery, seconds_to_recover(app, row, thawed))
        account_for(row, app.database, writers)
        row.require(app.workers() == workers, "a worker was restarted")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"{requests} single requests in sequence; {describe_writes(writers, 'freezes')}"
        row.responses = (
            f"503, the slowest ({slowest[0]}) after {slowest[1]:.1f} s with DB_TIMEOUT={DB_TIMEOUT}; "
            f"{response_counts(writers)}; recovered {recovery:.1f} s after SIGCONT"
        )


def postgresql_read_only(world, row, kind):
    """PostgreSQL is read-only for a while, as during a failover.

    Every session starts read-only. Writes and /readyz get 503, reads succeed; five seconds after writes are allowed
    again, every thread of every worker can write.
    """
    with world.app(kind) as app:
        client, workers = user(app.port), app.workers()
        threads, database = THREADS * len(workers), app.database.database
        with closing(world.cluster.connect()) as server, server.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
            app.database.rows(f"SELECT pg_terminate_backend(pid) FROM ({SESSIONS}) AS sessions")
            warm(app, client, workers)
            rejected = concurrently(
                *[partial(client.post, "/api/patients/", patient(number)) for number in range(threads)]
            )
            rejected.append(client.get("/readyz"))
            warm(app, client, workers)
            cursor.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        time.sleep(RECOVERY_SECONDS)
        stored = concurrently(*[partial(client.post, "/api/patients/", patient(number)) for number in range(threads)])
        row.require(all(answer.documented_503 for answer in rejected), f"while read-only: {tally(rejected)}")
        row.require(all(answer.status == 201 for answer in stored), f"{RECOVERY_SECONDS} s later: {tally(stored)}")
        row.require(app.workers() == workers, "a worker was restarted")
        row.require(client.get("/readyz").status == 200, f"/readyz is not 200 after {RECOVERY_SECONDS} s")
        row.requests = f"{threads} POSTs and /readyz while read-only, {threads} POSTs afterwards"
        row.responses = f"{tally(rejected)}; {RECOVERY_SECONDS} s later {tally(stored)}"


def warm(app, client, workers):
    """Make every thread of every worker open a connection, which the next fault breaks."""
    threads = THREADS * len(workers)
    for _ in range(50):
        concurrently(*[partial(client.get, "/readyz")] * threads)
        if len(app.database.rows(SESSIONS)) >= threads:
            return
    raise RuntimeError(f"not all of {threads} threads opened a connection")


def check_frozen(row, name, answer):
    limit = DB_TIMEOUT + SLACK_SECONDS
    row.require(answer.documented_503, f"{name}: {answer.name} {answer.body[:120]!r} instead of 503 while frozen")
    row.require(answer.seconds < limit, f"{name}: response after {answer.seconds:.0f} s, the limit is {limit}")
