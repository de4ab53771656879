"""PgBouncer between the app and PostgreSQL: each transaction may use a different server connection."""

import shutil
import subprocess
from contextlib import closing, contextmanager
from functools import partial

from faults import processes
from faults.client import concurrently, doctor, patient, tally, user

POOL = 3
CLIENTS = 16
PATIENTS = 30
DB_TIMEOUT = 2
WAITING = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
INI = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool}
logfile = {folder}/pgbouncer.log
"""


@contextmanager
def pgbouncer(world, pool=POOL):
    """Run PgBouncer in transaction mode in front of PostgreSQL; yield its port and its log."""
    folder, port = world.new_folder(), world.port()
    (folder / "pgbouncer.ini").write_text(INI.format(server=world.cluster.port, port=port, pool=pool, folder=folder))
    # PgBouncer refuses to run as root.
    if world.cluster.owner:
        shutil.chown(folder, "postgres", "postgres")
    process = subprocess.Popen(
        [processes.program("pgbouncer"), "--quiet", folder / "pgbouncer.ini"],
        **world.cluster.owner,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    log = folder / "pgbouncer.log"
    try:
        processes.wait_until(lambda: processes.listening(port), 10, "PgBouncer did not start")
        yield port, log
    finally:
        process.kill()
        process.wait()


def pooled(world, row, kind):
    """PgBouncer in transaction mode.

    With a pool of three connections, sixteen concurrent clients register, log in, refresh, create, change, read, list,
    search, assign, read histories and delete. Every response has the expected status.
    """
    with pgbouncer(world) as (port, log):
        database = world.new_postgresql(world.cluster, "pooled", "migrated")
        with world.app(kind, database=database, **database.environment_for(port)) as app:
            workers = app.workers()
            rounds = [concurrently(*[partial(everything, app.port)] * CLIENTS) for _ in range(world.rounds)]
            answers = [answer for clients in rounds for calls in clients for answer in calls]
            wrong = [answer for answer, expected in answers if answer.status != expected]
            row.require(not wrong, f"{tally(wrong)}: {wrong and wrong[0].body[:200]}")
            row.require(app.workers() == workers, "a worker was restarted")
            row.require(not app.errors(), f"{len(app.errors())} responses were 500")
            problems = [line for line in log.read_text().splitlines() if "ERROR" in line or "WARNING" in line]
            row.require(not problems, f"PgBouncer's log: {problems[:2]}")
            row.requests = f"{len(answers)} requests of every kind from {CLIENTS} clients, a pool of {POOL}"
            row.responses = tally([answer for answer, _ in answers])


def timed_out(world, row, kind):
    """DB_TIMEOUT applies behind PgBouncer, too.

    Another session locks the table of patients; with DB_TIMEOUT=2, sixteen clients list, search, read, create and
    change patients. Every response is a 503 within DB_TIMEOUT plus one second, and no statement still waits in
    PostgreSQL.
    """
    with pgbouncer(world, CLIENTS) as (port, _):
        database = world.new_postgresql(world.cluster, "limited", "migrated")
        with world.app(kind, database=database, DB_TIMEOUT=str(DB_TIMEOUT), **database.environment_for(port)) as app:
            client = user(app.port)
            stored = client.post("/api/patients/", patient(1)).json()["id"]
            calls = [
                partial(client.get, "/api/patients/"),
                partial(client.get, "/api/patients/?search=x"),
                partial(client.get, f"/api/patients/{stored}/"),
                partial(client.post, "/api/patients/", patient(2)),
                partial(client.request, "PATCH", f"/api/patients/{stored}/", {"age": 31}),
                partial(client.request, "PATCH", f"/api/patients/{stored}/", {"age": 32}, **{"If-Match": "*"}),
            ]
            with closing(world.cluster.connect("limited")) as blocker, blocker.cursor() as cursor:
                cursor.execute("BEGIN; LOCK TABLE patients_patient")
                answers = concurrently(*(calls * CLIENTS)[:CLIENTS])
                left = database.rows(WAITING)
            slowest = max(answer.seconds for answer in answers)
            wrong = [answer for answer in answers if not answer.documented_503]
            row.require(not wrong, f"{tally(wrong)} instead of 503")
            row.require(slowest < DB_TIMEOUT + 1, f"response after {slowest:.1f} s")
            row.require(not left, f"{len(left)} statements still run: {left[:1]}")
            row.require(client.get("/api/patients/").status == 200, "the list failed after the lock was released")
            row.requests = f"{len(answers)} requests to a locked table"
            row.responses = f"{tally(answers)}, the slowest after {slowest:.1f} s with DB_TIMEOUT={DB_TIMEOUT}"


def everything(port):
    """Make every kind of request; return each response with its expected status."""
    api = user(port)
    answers = []

    def call(method, path, body=None, expected=200):
        answers.append((api.request(method, f"/api/{path}", body), expected))
        return answers[-1][0]

    def create(path, body):
        answer = call("POST", path, body, 201)
        return answer.json().get("id", 0)

    patients = [create("patients/", patient(number)) for number in range(PATIENTS)]
    assigned = create("doctors/", doctor(f"-of-{api.id}"))
    mapping = create("mappings/", {"patient": patients[0], "doctor": assigned})
    call("POST", "auth/refresh/", {"refresh": api.pair["refresh"]})
    for path in ("patients/", "patients/?search=patient&ordering=-age&limit=7", "doctors/", "mappings/", "auth/me/"):
        call("GET", path)
    call("PUT", f"patients/{patients[0]}/", patient(1000))
    call("PATCH", f"patients/{patients[0]}/", {"age": 31})
    for path in (f"patients/{patients[0]}/", f"patients/{patients[0]}/history/", f"patients/{patients[0]}/doctors/"):
        call("GET", path)
    call("GET", f"doctors/{assigned}/patients/")
    call("DELETE", f"mappings/{mapping}/")
    call("DELETE", f"doctors/{assigned}/")
    call("GET", f"doctors/{assigned}/", expected=404)
    call("POST", "patients/", patient(1), 400)
    for pk in patients:
        call("DELETE", f"patients/{pk}/")
    return answers
