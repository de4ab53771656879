"""Requests at the same moment, over HTTP, against two worker processes: one order of them must explain every answer."""

import random
from collections import Counter
from functools import partial

from faults.client import account, concurrently, doctor, must, patient, user

RACES_A_ROUND = 20
# A run of one round is what every change waits for.
RACES_OF_ONE_ROUND = 10
PARALLEL = 8
WRITERS, WRITES = 8, 50
PATIENTS, DOCTORS, MAPPINGS = "/api/patients/", "/api/doctors/", "/api/mappings/"


class Scene:
    """One race after another: new things to race for, and what became of them."""

    def __init__(self, row, app):
        self.row, self.app = row, app
        self.owner, self.keeper = user(app.port), user(app.port)
        self.number = 0
        self.statuses = Counter()

    def make(self, path, body):
        return must(self.owner.post(path, body), 201)["id"]

    def race(self, *calls):
        answers = concurrently(*random.sample(calls, len(calls)))
        self.statuses.update(answer.name for answer in answers)
        return answers

    def one_of(self, post, path, body, refusal):
        """Race one POST eight times: one is 201, the others are 400 on the right field."""
        answers = self.race(*[partial(post, path, body)] * PARALLEL)
        created = [answer for answer in answers if answer.status == 201]
        refused = [answer for answer in answers if answer.status == 400 and answer.json() == refusal]
        self.row.require(
            (len(created), len(refused)) == (1, PARALLEL - 1),
            f"the same POST of {path} {PARALLEL} times: {summary(answers)}",
        )

    def register(self):
        refusal = {"email": ["A user with this e-mail already exists."]}
        self.one_of(self.owner.post, "/api/auth/register/", account(), refusal)

    def patient(self):
        taken = "This patient exists already: same name, phone and e-mail."
        refusal = {"non_field_errors": [f"{taken} For another person, such as a twin, change one of them."]}
        self.one_of(self.owner.post, PATIENTS, patient(self.number), refusal)

    def doctor(self):
        self.one_of(
            self.owner.post, DOCTORS, doctor(self.number), {"email": ["A doctor with this e-mail already exists."]}
        )

    def mapping(self):
        pair = {"patient": self.make(PATIENTS, patient(self.number)), "doctor": self.make(DOCTORS, doctor(self.number))}
        refusal = {"non_field_errors": ["This doctor is already assigned to this patient."]}
        self.one_of(self.owner.post, MAPPINGS, pair, refusal)

    def refresh(self):
        """Race one refresh token eight times: it works once."""
        api = self.owner
        pair = must(api.post("/api/auth/login/", api.account), 200)
        answers = self.race(*[partial(api.post, "/api/auth/refresh/", {"refresh": pair["refresh"]})] * PARALLEL)
        self.require([200] + [401] * (PARALLEL - 1), answers, "one refresh token eight times")

    def delete(self):
        """Race five PUTs and one DELETE: what is deleted stays deleted."""
        path = f"{PATIENTS}{self.make(PATIENTS, patient(self.number))}/"
        puts = [partial(self.owner.put, path, patient(self.number, age=age)) for age in range(5)]
        answers = self.race(partial(self.owner.delete, path), *puts)
        deleted = [answer for answer in answers if b"deleted" in answer.body]
        self.row.require(len(deleted) == 1, f"five PUTs and a DELETE: {summary(answers)}")
        self.row.require(
            {answer.status for answer in answers} <= {200, 404}, f"five PUTs and a DELETE: {summary(answers)}"
        )
        self.row.require(self.owner.get(path).status == 404, "a deleted patient came back")

    def same_version(self):
        """Race two PUTs of one version: one is 412."""
        path = f"{PATIENTS}{self.make(PATIENTS, patient(self.number))}/"
        etag = self.owner.get(path).headers["ETag"]
        put = partial(self.owner.put, path, **{"If-Match": etag})
        answers = self.race(*[partial(put, patient(self.number, age=age)) for age in (41, 42)])
        self.require([200, 412], answers, "two PUTs with one If-Match")
        kept = [answer.json() for answer in answers if answer.status == 200]
        self.row.require([self.owner.get(path).json()] == kept, "the PUT that was refused is the one stored")

    def assigned(self):
        """Race the DELETE of a doctor and another user's assignment of it: never an orphan."""
        pk = must(self.keeper.post(DOCTORS, doctor(self.number)), 201)["id"]
        theirs = [self.make(PATIENTS, patient(self.number, name=f"Race {place}")) for place in range(4)]
        posts = [partial(self.owner.post, MAPPINGS, {"patient": each, "doctor": pk}) for each in theirs]
        answers = self.race(partial(self.keeper.delete, f"{DOCTORS}{pk}/"), *posts)
        allowed = {200, 201, 400, 404, 409}
        self.row.require(
            {answer.status for answer in answers} <= allowed, f"a doctor deleted, assigned: {summary(answers)}"
        )
        gone = any(answer.status == 200 for answer in answers)
        exists = self.owner.get(f"{DOCTORS}{pk}/").status == 200
        assigned = any(answer.status == 201 for answer in answers)
        self.row.require(gone != exists, f"a doctor deleted or not: {summary(answers)}")
        self.row.require(not (gone and assigned), f"a doctor was deleted although assigned: {summary(answers)}")

    def require(self, statuses, answers, occasion):
        held = sorted(answer.status for answer in answers) == statuses
        self.row.require(held, f"{occasion}: {summary(answers)}")


def summary(answers):
    return ", ".join(f"{answer.name} {answer.body[:60]!r}" for answer in answers)[:300]


def raced(world, row, kind):
    """Races in quantity.

    Each kind 20 times a round, in a run of one round 10 times. The same POST of a user, patient, doctor or mapping
    eight times concurrently: one 201, the others 400 with the field's message. One refresh token eight times: one 200.
    Five PUTs and a DELETE: it stays deleted. Two PUTs with one If-Match: one 412. A doctor deleted while others assign
    it: no orphan. Eight writers of 50 patients: 400 times 201.
    """
    with world.app(kind) as app:
        scene = Scene(row, app)
        kinds = (Scene.register, Scene.patient, Scene.doctor, Scene.mapping)
        kinds += (Scene.refresh, Scene.delete, Scene.same_version, Scene.assigned)
        times = RACES_A_ROUND * world.rounds if world.rounds > 1 else RACES_OF_ONE_ROUND
        for race in kinds:
            for _ in range(times):
                scene.number += 1
                race(scene)
        writers = [user(app.port) for _ in range(WRITERS)]
        posts = [partial(post_many, api) for api in writers]
        statuses = Counter(status for written in concurrently(*posts) for status in written)
        row.require(statuses == {201: WRITERS * WRITES}, f"eight writers of 50 patients: {dict(statuses)}")
        ((orphans,),) = app.database.rows(
            "SELECT count(*) FROM mappings_mapping WHERE doctor_id NOT IN (SELECT id FROM doctors_doctor)"
            " OR patient_id NOT IN (SELECT id FROM patients_patient)"
        )
        row.require(not orphans, f"{orphans} mappings are orphans")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = f"{len(kinds)} kinds of race, {times} of each; 8 writers x 50 POSTs"
        row.answered = ", ".join(f"{name} x{number}" for name, number in sorted(scene.statuses.items()))
        row.answered += f"; the writers: {', '.join(f'{status} x{number}' for status, number in statuses.items())}"


def post_many(api):
    return [api.post(PATIENTS, patient(number)).status for number in range(WRITES)]
