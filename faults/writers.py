"""Clients that write continuously and record acknowledged writes, and the comparison with the database."""

import random
import threading
import time
from contextlib import contextmanager

from faults.client import patient, tally, user


class Writer(threading.Thread):
    """Create and change patients in a loop, and record which writes were acknowledged."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.stopping = api, threading.Event()
        # {id: addresses that may be stored: the last acknowledged one, then those of unacknowledged requests since}
        self.allowed = {}
        self.versions = set()
        self.answers = []
        self.number = 0

    def successor(self):
        """Return a new writer that continues where this one stopped."""
        after = Writer(self.api)
        after.allowed, after.versions, after.number = self.allowed, self.versions, self.number
        return after

    def run(self):
        while not self.stopping.is_set():
            answer = self.change() if self.allowed and self.number % 3 == 2 else self.create()
            self.answers.append(answer)
            if answer.status not in (200, 201):
                time.sleep(0.05)

    def create(self):
        self.number += 1
        body = patient(self.number, address="as created")
        answer = self.api.post("/api/patients/", body)
        if answer.status == 201:
            self.acknowledge(answer.json()["id"], body["address"])
        return answer

    def change(self):
        self.number += 1
        chosen = random.choice(list(self.allowed))  # noqa: S311, nothing secret
        body = patient(self.number, name=f"Changed {chosen}", address=f"change {self.number}")
        self.allowed[chosen].append(body["address"])
        answer = self.api.put(f"/api/patients/{chosen}/", body)
        if answer.status == 200:
            self.acknowledge(chosen, body["address"])
        return answer

    def acknowledge(self, pk, address):
        self.allowed[pk] = [address]
        self.versions.add((pk, address))

    def acknowledged_count(self):
        return len(self.versions)

    def lost(self):
        """Return how many acknowledged writes the API no longer returns."""
        shown = {row["id"]: row["address"] for row in self.api.get("/api/patients/").json()}
        return sum(shown.get(pk) not in addresses for pk, addresses in self.allowed.items())


@contextmanager
def writing(writers):
    """Run the writers during the block; on exit, wait for their last responses."""
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        for writer in writers:
            writer.stopping.set()
        for writer in writers:
            writer.join()


def new_writers(port, number=4):
    return [Writer(user(port)) for _ in range(number)]


def account_for(row, database, writers):
    """Add to `row` acknowledged writes that are missing, and records stored without history or the reverse."""
    stored = set(database.rows("SELECT id, address FROM patients_historicalpatient"))
    lost = sum(writer.lost() for writer in writers)
    unrecorded = sum(len(writer.versions - stored) for writer in writers)
    row.lost += lost + unrecorded
    row.require(not lost, f"{lost} acknowledged writes are missing")
    row.require(not unrecorded, f"{unrecorded} acknowledged writes have no version in the history")
    condition = f"user_id IN ({', '.join(str(writer.api.id) for writer in writers)})"
    records, recorded = (
        set(database.rows(f"SELECT id FROM {table} WHERE {condition}"))
        for table in ("patients_patient", "patients_historicalpatient")
    )
    incomplete = len(records ^ recorded)
    row.require(not incomplete, f"{incomplete} writes were stored partially: a record without history, or the reverse")


def describe_writes(writers, fault):
    """Return the `requests` cell: the number of acknowledged writes and the fault."""
    return f"{sum(writer.acknowledged_count() for writer in writers)} acknowledged POSTs and PUTs of patients; {fault}"


def response_counts(writers):
    return tally([answer for writer in writers for answer in writer.answers])
