"""Concurrent requests for doctors: the responses must be those of some serial order."""

from functools import partial

import pytest
from django.urls import reverse

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

DOCTORS, MAPPINGS = reverse("doctors-list"), reverse("mappings-list")
ROUNDS = range(5)


def statuses(responses):
    return sorted(getattr(response, "status_code", repr(response)) for response in responses)


@pytest.mark.parametrize("round_", ROUNDS)
def test_concurrent_posts_of_an_email_create_one_doctor(race, owner, stranger, round_):
    bodies = [{**DOCTOR, "email": email} for email in (DOCTOR["email"], DOCTOR["email"].upper())]

    responses = race(*[partial(client.post, DOCTORS, body) for client in (owner, stranger) for body in bodies] * 2)

    refused = [response.json() for response in responses if response.status_code == 400]
    assert statuses(responses) == [201] + [400] * 7
    assert refused == [{"email": ["A doctor with this e-mail already exists."]}] * 7
    assert (Doctor.objects.count(), Doctor.history.count()) == (1, 1)


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_deleted_doctor_stays_deleted_despite_concurrent_changes(race, owner, staff, doctor, round_):
    path = reverse("doctors-detail", args=[doctor.pk])

    deleted, *changed = race(partial(owner.delete, path), *[partial(staff.put, path, DOCTOR)] * 5)

    assert deleted.status_code == 200
    assert set(statuses(changed)) <= {200, 404}
    assert not Doctor.objects.exists()


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_two_changes_to_the_same_version_one_wins(race, owner, staff, doctor, round_):
    path = reverse("doctors-detail", args=[doctor.pk])
    etag = owner.get(path).headers["ETag"]

    responses = race(*[partial(who.patch, path, {"age": 60}, **{"If-Match": etag}) for who in (owner, staff)])

    assert statuses(responses) == [200, 412]
    assert Doctor.history.count() == 2


@pytest.mark.parametrize("round_", range(10))
def test_a_doctor_deleted_while_being_assigned_leaves_no_orphan(race, owner, stranger, doctor, round_):
    patients = [
        Patient.objects.create(user=stranger.user, **{**PATIENT, "age": age, "name": f"P{age}"}) for age in (1, 2, 3)
    ]
    bodies = [{"patient": patient.pk, "doctor": doctor.pk} for patient in patients]

    deleted, *assigned = race(
        partial(owner.delete, reverse("doctors-detail", args=[doctor.pk])),
        *[partial(stranger.post, MAPPINGS, body) for body in bodies],
    )

    gone = deleted.status_code == 200
    assert deleted.status_code in {200, 409}
    assert set(statuses(assigned)) <= ({400, 404, 409} if gone else {201, 400, 404, 409})
    assert Doctor.objects.exists() is not gone
    assert Mapping.objects.count() == statuses(assigned).count(201)
    assert not Mapping.objects.exclude(doctor__in=Doctor.objects.all()).exists()


@pytest.mark.parametrize("round_", range(10))
def test_a_doctor_deleted_while_the_deleter_assigns_it_leaves_no_orphan(race, owner, doctor, patient, round_):
    body = {"patient": patient.pk, "doctor": doctor.pk}

    deleted, assigned = race(
        partial(owner.delete, reverse("doctors-detail", args=[doctor.pk])), partial(owner.post, MAPPINGS, body)
    )

    assert deleted.status_code in {200, 409}
    assert assigned.status_code in {201, 400, 404, 409}
    assert Doctor.objects.exists() is (deleted.status_code == 409)
    assert Mapping.objects.exists() is (deleted.status_code == 409)
