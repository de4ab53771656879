"""What PostgreSQL writes to its log when it rejects or cancels a statement."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import psycopg2
import yaml

from faults.client import Api, concurrently, doctor, must, tally, user
from faults.disks import postgresql_in
from faults.world import ROOT

PERSON = {"name": "Canary Name", "age": 41, "gender": "female", "phone": "4159265358", "address": "Canary Street 7"}
CANARIES = ("canary", "4159265358", "argon2")
# Messages that the server must have logged; otherwise the fault did not occur.
REJECTIONS = (
    "duplicate key value violates unique constraint",
    "violates foreign key constraint",
    "deadlock detected",
    "canceling statement due to",
    "terminating connection",
)
SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE '%canary%' AND pid <> pg_backend_pid()"
)


def postgresql_log(world, row, kind):
    """PostgreSQL rejects writes and cancels statements, with the settings of deploy/compose.yaml.

    Duplicate accounts, patients and doctors; a row that another references; a deadlock; writes that time out waiting
    for a lock; terminated sessions. The server logs each of them, but no name, phone, address, e-mail or password
    hash.
    """
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    options = compose["services"]["database"]["command"][1:]
    with postgresql_in(world, world.new_folder(), options=options) as (cluster, app):
        client, account = (
            user(app.port),
            {"name": "Canary", "email": "canary@example.com", "password": "a canary sings"},
        )
        stored = must(client.post("/api/patients/", PERSON), 201)["id"]
        treating = {**doctor("canary"), "name": "Dr. Canary"}
        assigned = must(client.post("/api/doctors/", treating), 201)["id"]
        must(client.post("/api/mappings/", {"patient": stored, "doctor": assigned}), 201)
        register = partial(Api(app.port).post, "/api/auth/register/", account)
        answers = concurrently(register, register, register)
        answers += [client.post("/api/patients/", PERSON), client.post("/api/doctors/", treating)]
        with closing(cluster.connect("healthcare")) as connection, connection.cursor() as cursor:
            deadlock(cluster, stored, assigned)
            run_rejected(cursor, f"DELETE FROM patients_patient WHERE id = {stored} AND name = '{PERSON['name']}'")
            for end in (None, SESSIONS):
                cursor.execute("BEGIN; LOCK TABLE patients_patient IN EXCLUSIVE MODE")
                with ThreadPoolExecutor(1) as pool:
                    late = pool.submit(client.put, f"/api/patients/{stored}/", {**PERSON, "age": 42})
                    if end:
                        time.sleep(1)
                        cursor.execute(end)
                    answers.append(late.result())
                cursor.execute("ROLLBACK")
        log = cluster.log.read_text()
        for rejection in REJECTIONS:
            row.require(rejection in log, f"the fault did not occur: {rejection!r} was not logged")
        for canary in CANARIES:
            found = [line for line in log.splitlines() if canary in line.lower()]
            row.require(not found, f"PostgreSQL logged {found[:1]}")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"{len(answers)} duplicate or blocked writes; a deadlock; a referenced row deleted"
        row.responses = f"{tally(answers)}; {len(log.splitlines())} log lines"


def deadlock(cluster, patient, doctor):
    """Cause a deadlock of two sessions whose statements contain names."""
    change = "UPDATE patients_patient SET address = 'Canary Lane' WHERE id = {}"
    other = "UPDATE doctors_doctor SET address = 'Canary Lane' WHERE id = {}"
    with closing(cluster.connect("healthcare")) as one, closing(cluster.connect("healthcare")) as two:
        first, second = one.cursor(), two.cursor()
        first.execute("BEGIN; " + change.format(patient))
        second.execute("BEGIN; " + other.format(doctor))
        concurrently(
            partial(run_rejected, first, other.format(doctor)), partial(run_rejected, second, change.format(patient))
        )


def run_rejected(cursor, statement):
    """Run a statement that the server may reject."""
    try:
        cursor.execute(statement)
    except psycopg2.Error:
        cursor.execute("ROLLBACK")
