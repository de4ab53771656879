"""Clients that write without pause and note what was acknowledged, and the comparison with what is stored."""

import random
import threading
import time
from contextlib import contextmanager

from faults.client import patient, tally, user


class Writer(threading.Thread):
    """Post patients and change them, one request after another, and note what was acknowledged."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.stopping = api, threading.Event()
        # {id: the addresses that may be stored: the acknowledged one, then those asked for since without an answer}
        self.allowed = {}
        self.versions = set()
        self.answers = []
        self.number = 0

    def restarted(self):
        """Return a writer that goes on where this one was stopped."""
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
            self.note(answer.json()["id"], body["address"])
        return answer

    def change(self):
        self.number += 1
        chosen = random.choice(list(self.allowed))  # noqa: S311, nothing secret
        body = patient(self.number, name=f"Changed {chosen}", address=f"change {self.number}")
        self.allowed[chosen].append(body["address"])
        answer = self.api.put(f"/api/patients/{chosen}/", body)
        if answer.status == 200:
            self.note(chosen, body["address"])
        return answer

    def note(self, pk, address):
        self.allowed[pk] = [address]
        self.versions.add((pk, address))

    def acknowledged(self):
        return len(self.versions)

    def lost(self):
        """Return how many acknowledged writes the API does not show any more."""
        shown = {row["id"]: row["address"] for row in self.api.get("/api/patients/").json()}
        return sum(shown.get(pk) not in addresses for pk, addresses in self.allowed.items())


@contextmanager
def writing(writers):
    """Let the writers write while the block runs; on leaving it, wait for their last answers."""
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
    """Add to `row` what was acknowledged and is gone: records, versions in their history, one without the other."""
    stored = set(database.rows("SELECT id, address FROM patients_historicalpatient"))
    lost = sum(writer.lost() for writer in writers)
    unrecorded = sum(len(writer.versions - stored) for writer in writers)
    row.lost += lost + unrecorded
    row.require(not lost, f"{lost} acknowledged writes are gone")
    row.require(not unrecorded, f"{unrecorded} acknowledged writes have no version in the history")
    theirs = f"user_id IN ({', '.join(str(writer.api.id) for writer in writers)})"
    records, recorded = (
        set(database.rows(f"SELECT id FROM {table} WHERE {theirs}"))
        for table in ("patients_patient", "patients_historicalpatient")
    )
    halves = len(records ^ recorded)
    row.require(not halves, f"{halves} writes were stored by halves: a record without its history, or the reverse")


def sent_by(writers, occasion):
    """Return the `what was sent` of writers: how much of it was acknowledged."""
    return f"{sum(writer.acknowledged() for writer in writers)} acknowledged POSTs and PUTs of patients; {occasion}"


def answered(writers):
    return tally([answer for writer in writers for answer in writer.answers])
