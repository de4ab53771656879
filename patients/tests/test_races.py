"""Concurrent requests for patients: the responses must be those of some serial order."""

from functools import partial

import pytest
from django.urls import reverse

from conftest import PATIENT
from patients.models import Patient

PATIENTS = reverse("patients-list")
ROUNDS = range(5)
TAKEN = (
    "This patient exists already: same name, phone and e-mail. For another person, such as a twin, change one of them."
)


def statuses(responses):
    return sorted(getattr(response, "status_code", repr(response)) for response in responses)


@pytest.mark.parametrize("round_", ROUNDS)
def test_concurrent_equal_posts_create_one_patient(race, owner, round_):
    responses = race(*[partial(owner.post, PATIENTS, PATIENT)] * 8)

    refused = [response.json() for response in responses if response.status_code == 400]
    assert statuses(responses) == [201] + [400] * 7
    assert refused == [{"non_field_errors": [TAKEN]}] * 7
    assert (Patient.objects.count(), Patient.history.count()) == (1, 1)


@pytest.mark.parametrize("round_", ROUNDS)
@pytest.mark.parametrize(("method", "body"), [("PUT", PATIENT), ("PATCH", {"age": 31})])
def test_a_deleted_patient_stays_deleted_despite_concurrent_changes(race, owner, patient, round_, method, body):
    path = reverse("patients-detail", args=[patient.pk])

    deleted, *changed = race(partial(owner.delete, path), *[partial(owner.request, method, path, body)] * 5)

    assert deleted.status_code == 200
    assert set(statuses(changed)) <= {200, 404}
    assert not Patient.objects.exists()
    assert Patient.history.latest("history_id").history_type == "-"


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_two_changes_to_the_same_version_one_wins(race, owner, patient, round_):
    path = reverse("patients-detail", args=[patient.pk])
    etag = owner.get(path).headers["ETag"]

    responses = race(*[partial(owner.put, path, {**PATIENT, "age": age}, **{"If-Match": etag}) for age in (41, 42)])

    winner = next(response for response in responses if response.status_code == 200)
    assert statuses(responses) == [200, 412]
    assert owner.get(path).json() == winner.json()


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_patient_is_deleted_once(race, owner, patient, round_):
    responses = race(*[partial(owner.delete, reverse("patients-detail", args=[patient.pk]))] * 4)

    assert statuses(responses) == [200, 404, 404, 404]
    assert Patient.history.filter(history_type="-").count() == 1


def test_eight_writers_and_eight_readers_all_succeed(race, owner):
    def write(writer):
        bodies = [{**PATIENT, "phone": f"55500{writer}{number:02}"} for number in range(10)]
        return [owner.post(PATIENTS, body).status_code for body in bodies]

    def read(_):
        return [owner.get(PATIENTS).status_code for _ in range(10)]

    results = race(*[partial(call, number) for number in range(8) for call in (write, read)])

    assert results == [[201] * 10, [200] * 10] * 8
    assert Patient.objects.count() == Patient.history.count() == 80
