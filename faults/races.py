"""Concurrent requests against two worker processes: the responses must be those of some serial order."""

import random
from collections import Counter
from functools import partial

from faults.client import account, concurrently, doctor, must, patient, user

RACES_A_ROUND = 20
# A single round is part of the gate, so it is kept short.
RACES_OF_ONE_ROUND = 10
PARALLEL = 8
WRITERS, WRITES = 8, 50
PATIENTS, DOCTORS, MAPPINGS = "/api/patients/", "/api/doctors/", "/api/mappings/"


class Races:
    """The races against one app: each method creates its records, races the requests and checks the responses."""

    def __init__(self, row, app):
        self.row, self.app = row, app
        self.owner, self.doctor_owner = user(app.port), user(app.port)
        self.number = 0
        self.statuses = Counter()

    def create(self, path, body):
        return must(self.owner.post(path, body), 201)["id"]

    def race(self, *calls):
        answers = concurrently(*random.sample(calls, len(calls)))
        self.statuses.update(answer.name for answer in answers)
        return answers

    def race_post(self, post, path, body, error):
        """Race one POST eight times: one gets 201, the others 400 with `error`."""
        answers = self.race(*[partial(post, path, body)] * PARALLEL)
        created = [answer for answer in answers if answer.status == 201]
        rejected = [answer for answer in answers if answer.status == 400 and answer.json() == error]
        self.row.require(
            (len(created), len(rejected)) == (1, PARALLEL - 1),
            f"{PARALLEL} identical POSTs of {path}: {summary(answers)}",
        )

    def register(self):
        error = {"email": ["A user with this e-mail already exists."]}
        self.race_post(self.owner.post, "/api/auth/register/", account(), error)

    def patient(self):
        taken = "This patient exists already: same name, phone and e-mail."
        error = {"non_field_errors": [f"{taken} For another person, such as a twin, change one of them."]}
        self.race_post(self.owner.post, PATIENTS, patient(self.number), error)

    def doctor(self):
        self.race_post(
            self.owner.post, DOCTORS, doctor(self.number), {"email": ["A doctor with this e-mail already exists."]}
        )

    def mapping(self):
        pair = {
            "patient": self.create(PATIENTS, patient(self.number)),
            "doctor": self.create(DOCTORS, doctor(self.number)),
        }
        error = {"non_field_errors": ["This doctor is already assigned to this patient."]}
        self.race_post(self.owner.post, MAPPINGS, pair, error)

    def refresh(self):
        """Race one refresh token eight times: it works only once."""
        api = self.owner
        pair = must(api.post("/api/auth/login/", api.account), 200)
        answers = self.race(*[partial(api.post, "/api/auth/refresh/", {"refresh": pair["refresh"]})] * PARALLEL)
        self.require([200] + [401] * (PARALLEL - 1), answers, "one refresh token used eight times")

    def delete(self):
        """Race five PUTs and one DELETE: the record stays deleted."""
        path = f"{PATIENTS}{self.create(PATIENTS, patient(self.number))}/"
        puts = [partial(self.owner.put, path, patient(self.number, age=age)) for age in range(5)]
        answers = self.race(partial(self.owner.delete, path), *puts)
        deleted = [answer for answer in answers if b"deleted" in answer.body]
        self.row.require(len(deleted) == 1, f"five PUTs and a DELETE: {summary(answers)}")
        self.row.require(
            {answer.status for answer in answers} <= {200, 404}, f"five PUTs and a DELETE: {summary(answers)}"
        )
        self.row.require(self.owner.get(path).status == 404, "a deleted patient reappeared")

    def same_version(self):
        """Race two PUTs of one version: one gets 412."""
        path = f"{PATIENTS}{self.create(PATIENTS, patient(self.number))}/"
        etag = self.owner.get(path).headers["ETag"]
        put = partial(self.owner.put, path, **{"If-Match": etag})
        answers = self.race(*[partial(put, patient(self.number, age=age)) for age in (41, 42)])
        self.require([200, 412], answers, "two PUTs with one If-Match")
        accepted = [answer.json() for answer in answers if answer.status == 200]
        self.row.require([self.owner.get(path).json()] == accepted, "the rejected PUT was stored")

    def delete_assigned(self):
        """Race the DELETE of a doctor with another user's assignments of it: no orphan remains."""
        pk = must(self.doctor_owner.post(DOCTORS, doctor(self.number)), 201)["id"]
        patients = [self.create(PATIENTS, patient(self.number, name=f"Race {place}")) for place in range(4)]
        posts = [partial(self.owner.post, MAPPINGS, {"patient": each, "doctor": pk}) for each in patients]
        answers = self.race(partial(self.doctor_owner.delete, f"{DOCTORS}{pk}/"), *posts)
        allowed = {200, 201, 400, 404, 409}
        self.row.require(
            {answer.status for answer in answers} <= allowed,
            f"a DELETE of a doctor, assigned concurrently: {summary(answers)}",
        )
        deleted = any(answer.status == 200 for answer in answers)
        exists = self.owner.get(f"{DOCTORS}{pk}/").status == 200
        assigned = any(answer.status == 201 for answer in answers)
        self.row.require(deleted != exists, f"a doctor deleted, yet present, or the reverse: {summary(answers)}")
        self.row.require(not (deleted and assigned), f"a doctor was deleted although assigned: {summary(answers)}")

    def require(self, statuses, answers, requests):
        expected = sorted(answer.status for answer in answers) == statuses
        self.row.require(expected, f"{requests}: {summary(answers)}")


def summary(answers):
    return ", ".join(f"{answer.name} {answer.body[:60]!r}" for answer in answers)[:300]


def raced(world, row, kind):
    """Many races.

    Each race runs 20 times per round, or 10 times if there is one round. The same POST of a user, patient, doctor or
    mapping eight times concurrently: one 201, the others 400 with the field's message. One refresh token eight times:
    one 200. Five PUTs and a DELETE: the record stays deleted. Two PUTs with one If-Match: one 412. A doctor deleted
    while others assign it: no orphan. Eight writers of 50 patients each: 400 times 201.
    """
    with world.app(kind) as app:
        races = Races(row, app)
        kinds = (Races.register, Races.patient, Races.doctor, Races.mapping)
        kinds += (Races.refresh, Races.delete, Races.same_version, Races.delete_assigned)
        times = RACES_A_ROUND * world.rounds if world.rounds > 1 else RACES_OF_ONE_ROUND
        for race in kinds:
            for _ in range(times):
                races.number += 1
                race(races)
        writers = [user(app.port) for _ in range(WRITERS)]
        posts = [partial(post_many, api) for api in writers]
        statuses = Counter(status for written in concurrently(*posts) for status in written)
        row.require(statuses == {201: WRITERS * WRITES}, f"eight writers of 50 patients: {dict(statuses)}")
        ((orphans,),) = app.database.rows(
            "SELECT count(*) FROM mappings_mapping WHERE doctor_id NOT IN (SELECT id FROM doctors_doctor)"
            " OR patient_id NOT IN (SELECT id FROM patients_patient)"
        )
        row.require(not orphans, f"{orphans} mappings are orphaned")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"{len(kinds)} races, {times} times each; 8 writers x 50 POSTs"
        row.responses = ", ".join(f"{name} x{number}" for name, number in sorted(races.statuses.items()))
        row.responses += f"; the writers: {', '.join(f'{status} x{number}' for status, number in statuses.items())}"


def post_many(api):
    return [api.post(PATIENTS, patient(number)).status for number in range(WRITES)]
