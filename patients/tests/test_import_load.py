"""`POST /api/patients/import/` with many rows, and beside other requests."""

from contextlib import nullcontext
from functools import partial

from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import PATIENT
from healthcare import jobs
from healthcare.api.exceptions import JobBusy
from patients import imports
from patients.models import Patient
from patients.tests.files import ALICE, BOB, HEADER
from patients.tests.importing import many, post, result
from patients.tests.pages import PATIENTS


def test_every_stored_patient_is_logged(owner, monkeypatch, caplog):
    caplog.set_level("INFO", "healthcare")
    monkeypatch.setattr(imports, "BATCH", 2)
    monkeypatch.setattr("patients.views.BATCH", 2)

    response = post(owner, *many(range(5)))

    lines = [record.data for record in caplog.records if getattr(record, "data", {}).get("ids")]
    assert {line["request_id"] for line in lines} == {response.headers["X-Request-ID"]}
    assert max(len(line["ids"]) for line in lines) == 2
    assert sorted(pk for line in lines for pk in line["ids"]) == list(Patient.objects.values_list("pk", flat=True))


def test_an_import_that_fails_half_way_stores_nothing(owner, monkeypatch):
    monkeypatch.setattr(imports, "BATCH", 2)
    add, batches = imports.add_missing, []

    def failing(patients, user):
        batches.append(patients)
        add(patients, user)
        assert len(batches) < 2

    monkeypatch.setattr(imports, "add_missing", failing)

    response = post(owner, *many(range(5)))

    assert (response.status_code, len(batches)) == (500, 2)
    assert (Patient.objects.count(), Patient.history.count()) == (0, 0)


def test_the_queries_of_an_import_do_not_grow_with_its_rows(owner):
    counted = []

    for numbers in (range(2), range(2, 60)):
        with CaptureQueriesContext(connection) as queries:
            post(owner, *many(numbers))
        counted.append(len(queries))

    assert Patient.history.count() == 60
    assert counted[0] == counted[1]


def test_an_import_beside_another_is_refused_before_it_is_read(owner, stranger):
    with jobs.exclusive():
        answers = [post(user, HEADER, '"') for user in (owner, stranger)]
        others = owner.get(PATIENTS)

    assert {answer.status_code for answer in answers} == {503}
    assert all(2 <= int(answer.headers["Retry-After"]) <= 8 for answer in answers)
    assert answers[0].json() == {"detail": JobBusy.default_detail}
    assert others.status_code == 200


def test_an_import_that_ends_in_any_way_admits_the_next(owner, monkeypatch):
    unreadable = post(owner, HEADER, '"')
    unknown = post(owner, f"x,{HEADER}", Prefer="handling=strict")
    with monkeypatch.context() as patch:
        patch.setattr(imports, "add_missing", None)
        failed = post(owner, HEADER, ALICE)

    assert [unreadable.status_code, unknown.status_code, failed.status_code] == [400, 400, 500]
    assert [post(owner, HEADER, row).json() for row in (ALICE, BOB)] == [result(1)] * 2


def test_concurrent_imports_of_one_file_add_each_patient_once(owner, race, monkeypatch):
    # As in several processes.
    monkeypatch.setattr("patients.views.exclusive", nullcontext)
    monkeypatch.setattr(imports, "BATCH", 10)
    numbers = range(60)

    answers = race(*[partial(post, owner, *many(order)) for order in (numbers, numbers[::-1], numbers)])

    assert [answer.status_code for answer in answers] == [200] * 3
    assert sum(answer.json()["created"] for answer in answers) == Patient.objects.count() == 60
    assert [answer.json()["created"] + len(answer.json()["refused"]) for answer in answers] == [60] * 3
    assert Patient.history.values("id").distinct().count() == Patient.history.count() == 60


def test_an_import_beside_a_post_of_the_same_patient_adds_it_once(owner, race):
    imported, posted = race(partial(post, owner, HEADER, BOB, ALICE), partial(owner.post, PATIENTS, PATIENT))

    stored = (imported.json()["created"], posted.status_code)
    assert stored in {(2, 400), (1, 201)}
    assert (Patient.objects.count(), Patient.history.count()) == (2, 2)
