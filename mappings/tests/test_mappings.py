"""Mappings over HTTP: created, listed and removed by the owner of the patient."""

import json

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from conftest import timestamp
from doctors.models import Doctor
from healthcare.api import errors
from mappings.models import Mapping
from patients.models import Patient

MAPPINGS = reverse("mappings-list")
NOWHERE = 10**9
NOT_FOUND = {"detail": errors.NOT_FOUND}
TAKEN = {"non_field_errors": ["This doctor is already assigned to this patient."]}
INTEGER = "Must be a whole number."
MISSING = {
    "patient": "You have no patient with this id: GET /api/patients/ lists yours.",
    "doctor": "There is no doctor with this id: GET /api/doctors/ lists all.",
}


def path_of(number):
    return reverse("mappings-detail", args=[number])


# Create


def test_the_example_of_the_specification_assigns_a_doctor(owner, patient, other_doctor):
    response = owner.post("/api/mappings/", {"patient": patient.pk, "doctor": other_doctor.pk})

    mapping = Mapping.objects.get()
    assert response.status_code == 201
    assert list(response.json().items()) == [
        ("id", mapping.pk),
        ("assigned_at", timestamp(mapping.assigned_at)),
        ("patient", patient.pk),
        ("doctor", other_doctor.pk),
        ("user", owner.user.pk),
    ]
    assert mapping.history.get().history_user == owner.user


def test_read_only_keys_are_ignored(owner, stranger, patient, doctor):
    extra = {"id": 4711, "user": stranger.user.pk, "assigned_at": "1999-01-01T00:00:00Z", "note": "x"}

    response = owner.post(MAPPINGS, {"patient": str(patient.pk), "doctor": doctor.pk, **extra})

    mapping = Mapping.objects.get()
    assert (response.status_code, response.json()["user"], mapping.user) == (201, owner.user.pk, owner.user)
    assert mapping.pk != 4711
    assert mapping.assigned_at.year != 1999


def test_the_same_pair_twice_is_refused(owner, mapping):
    response = owner.post(MAPPINGS, {"patient": mapping.patient_id, "doctor": mapping.doctor_id})

    assert (response.status_code, response.json()) == (400, TAKEN)
    assert Mapping.objects.get() == mapping


def test_the_database_refuses_the_same_pair_twice(mapping):
    with pytest.raises(IntegrityError), transaction.atomic():
        Mapping.objects.create(patient=mapping.patient, doctor=mapping.doctor, user=mapping.user)

    assert Mapping.objects.get() == mapping


def test_an_anonymous_user_sees_no_mapping(mapping):
    assert not Mapping.objects.visible_to(AnonymousUser()).exists()


@pytest.mark.parametrize(
    "raw",
    ["1e400", "1e0", "1.5", "1.0", "true", '"٣"', '"1.0"', '"1_0"', '" 1"', '"abc"', '""', "[1]", "{}", '"\\u0000"'],
)
@pytest.mark.parametrize("field", ["patient", "doctor"])
def test_an_id_is_a_whole_number(owner, patient, doctor, field, raw):
    body = {"patient": patient.pk, "doctor": doctor.pk, field: "here"}

    response = owner.post(MAPPINGS, raw=json.dumps(body).replace('"here"', raw).encode())

    assert (response.status_code, response.json()) == (400, {field: [INTEGER]})
    assert not Mapping.objects.exists()


@pytest.mark.parametrize("number", [0, -1, NOWHERE, 2**63, 10**30, 10**400])
@pytest.mark.parametrize("field", ["patient", "doctor"])
def test_a_record_that_does_not_exist_cannot_be_assigned(owner, patient, doctor, field, number):
    response = owner.post(MAPPINGS, {"patient": patient.pk, "doctor": doctor.pk, field: number})

    assert (response.status_code, response.json()) == (400, {field: [MISSING[field]]})
    assert not Mapping.objects.exists()


@pytest.mark.parametrize(("body", "fields"), [({}, ["patient", "doctor"]), ({"patient": 1}, ["doctor"])])
def test_both_ids_are_required(owner, body, fields):
    response = owner.post(MAPPINGS, body)

    assert (response.status_code, response.json()) == (400, {field: ["This field is required."] for field in fields})


@pytest.mark.parametrize("who", ["stranger", "staff"])
def test_another_users_patient_cannot_be_assigned_and_looks_like_none(request, patient, doctor, who):
    client, body = request.getfixturevalue(who), {"patient": patient.pk, "doctor": doctor.pk}

    response = client.post(MAPPINGS, body)

    assert not Mapping.objects.exists()
    patient.delete()
    assert response.status_code == 400
    assert response.content == client.post(MAPPINGS, body).content
    assert list(response.json()) == ["patient"]


# Delete


def test_a_removed_mapping_leaves_patient_doctor_and_history(owner, mapping):
    response = owner.delete(path_of(mapping.pk))

    assert (response.status_code, response.json()) == (200, {"detail": "Mapping deleted."})
    assert not Mapping.objects.exists()
    assert (Patient.objects.get(), Doctor.objects.get()) == (mapping.patient, mapping.doctor)
    removed = Mapping.history.latest("history_id")
    assert (removed.id, removed.history_type, removed.history_user) == (mapping.pk, "-", owner.user)
    assert owner.delete(path_of(mapping.pk)).json() == NOT_FOUND


def test_another_users_mapping_cannot_be_removed(owner, other_mapping, mapping):
    response = owner.delete(path_of(other_mapping.pk))

    assert response.status_code == 404
    assert set(Mapping.objects.all()) == {mapping, other_mapping}


def test_a_removed_pair_can_be_assigned_again(owner, mapping):
    owner.delete(path_of(mapping.pk))

    response = owner.post(MAPPINGS, {"patient": mapping.patient_id, "doctor": mapping.doctor_id})

    assert response.status_code == 201
    assert Mapping.objects.get().pk == response.json()["id"]


def test_deleting_a_patient_deletes_the_mappings(owner, mapping, other_mapping):
    owner.delete(reverse("patients-detail", args=[mapping.patient_id]))

    assert list(Mapping.objects.all()) == [other_mapping]
    assert Mapping.history.latest("history_id").history_user == owner.user


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_mapping_cannot_be_changed(owner, mapping, method):
    response = getattr(owner, method)(path_of(mapping.pk), {"doctor": mapping.doctor_id})

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "DELETE"}


# Costs


def test_an_assignment_costs_at_most_four_queries(owner, patient, doctor):
    with CaptureQueriesContext(connection) as queries:
        owner.post(MAPPINGS, {"patient": patient.pk, "doctor": doctor.pk})

    transactions = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    assert len([query for query in queries if not query["sql"].startswith(transactions)]) <= 4
    assert Mapping.objects.count() == 1
