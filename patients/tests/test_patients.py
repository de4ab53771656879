"""Patients over HTTP: created, read, changed and deleted by their user."""

import re
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from conftest import PATIENT
from patients.models import Patient

PATIENTS = reverse("patients-list")
REQUIRED = "This field is required."
EMILE = {**PATIENT, "name": "Émile Zola", "email": "emile@example.com"}
STALE = "The record has changed since you read it. Read it again and retry with the new ETag."


def path_of(patient):
    return reverse("patients-detail", args=[patient.pk])


# Create


def test_the_example_of_the_specification_creates_a_patient(owner):
    response = owner.post("/api/patients/", PATIENT)

    patient = Patient.objects.get()
    assert response.status_code == 201
    assert list(response.json().items()) == [
        ("id", patient.pk),
        ("name", "Alice Smith"),
        ("age", 30),
        ("gender", "Female"),
        ("phone", "9876543210"),
        ("address", "street 123"),
        ("email", "aliceS@gmail.com"),
        ("created_at", patient.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
        ("user", owner.user.pk),
    ]


def test_location_returns_the_same_bytes_as_the_creation(owner):
    created = owner.post(PATIENTS, PATIENT)

    read = owner.get(created.headers["Location"])

    assert (read.status_code, read.content) == (200, created.content)
    assert read.headers["ETag"] == created.headers["ETag"]


@pytest.mark.parametrize("microsecond", [0, 120, 767840])
def test_created_at_has_six_digits_and_a_z(owner, patient, microsecond):
    Patient.objects.update(created_at=datetime(2025, 9, 20, 21, 19, 32, microsecond, UTC))

    one, many = owner.get(path_of(patient)).json(), owner.get(PATIENTS).json()

    assert one["created_at"] == many[0]["created_at"] == f"2025-09-20T21:19:32.{microsecond:06}Z"
    assert re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{6}Z", one["created_at"])


@pytest.mark.parametrize("field", ["name", "age", "gender"])
def test_a_missing_required_field_is_refused(owner, field):
    body = {name: value for name, value in PATIENT.items() if name != field}

    response = owner.post(PATIENTS, body)

    assert (response.status_code, response.json()) == (400, {field: [REQUIRED]})
    assert not Patient.objects.exists()


def test_phone_address_and_email_are_blank_by_default(owner):
    body = {name: value for name, value in PATIENT.items() if name not in ("phone", "address", "email")}

    response = owner.post(PATIENTS, body)

    assert response.status_code == 201
    assert [response.json()[name] for name in ("phone", "address", "email")] == ["", "", ""]
    assert Patient.objects.filter(phone="", address="", email="").count() == 1


def test_unknown_and_read_only_keys_are_ignored(owner, stranger):
    extra = {"id": 4711, "user": stranger.user.pk, "created_at": "1999-01-01T00:00:00Z", "is_staff": True}

    response = owner.post(PATIENTS, {**PATIENT, **extra})

    patient = Patient.objects.get()
    assert response.status_code == 201
    assert response.json()["user"] == patient.user_id == owner.user.pk
    assert patient.pk != 4711
    assert patient.created_at.year != 1999


# Read, change, delete


def test_a_list_holds_the_callers_patients_oldest_first(owner, stranger, patient):
    Patient.objects.create(user=stranger.user, **PATIENT)
    second = Patient.objects.create(user=owner.user, **EMILE)

    response = owner.get(PATIENTS)

    assert response.status_code == 200
    assert response.json() == [owner.get(path_of(one)).json() for one in (patient, second)]


def test_put_changes_only_the_fields_sent(owner, stranger, patient):
    body = {**EMILE, "age": 5, "id": 1 + patient.pk, "user": stranger.user.pk, "created_at": "1999-01-01T00:00:00Z"}

    response = owner.put(path_of(patient), body)

    unchanged = {
        "id": patient.pk,
        "user": owner.user.pk,
        "created_at": patient.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    assert (response.status_code, response.json()) == (200, {**EMILE, "age": 5, **unchanged})
    assert response.content == owner.get(path_of(patient)).content


def test_put_needs_every_required_field(owner, patient):
    response = owner.put(path_of(patient), {"name": "Bob"})

    assert (response.status_code, response.json()) == (400, {name: [REQUIRED] for name in ("age", "gender")})
    patient.refresh_from_db()
    assert patient.name == "Alice Smith"


@pytest.mark.parametrize("change", [{"age": 31}, {"email": "", "address": ""}, {}, {"phone": "1234567"}])
def test_patch_changes_only_the_fields_sent(owner, patient, change):
    before = owner.get(path_of(patient)).json()

    response = owner.patch(path_of(patient), change)

    assert (response.status_code, response.json()) == (200, {**before, **change})
    assert owner.get(path_of(patient)).json() == {**before, **change}


def test_a_deleted_patient_is_gone(owner, patient):
    response = owner.delete(path_of(patient))

    assert (response.status_code, response.json()) == (200, {"detail": "Patient deleted."})
    assert not Patient.objects.exists()
    for method in (owner.get, owner.delete):
        assert method(path_of(patient)).status_code == 404
    assert owner.put(path_of(patient), PATIENT).status_code == 404
    assert not Patient.objects.exists()


# Conditional requests


@pytest.mark.parametrize("header", ["{}", '"other", {}', "*"])
def test_an_unchanged_patient_is_a_304(owner, patient, header):
    etag = owner.get(path_of(patient)).headers["ETag"]

    response = owner.get(path_of(patient), **{"If-None-Match": header.format(etag)})

    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", etag)


def test_a_changed_patient_is_sent_with_a_new_etag(owner, patient):
    etag = owner.get(path_of(patient)).headers["ETag"]
    changed = owner.patch(path_of(patient), {"age": 31})

    response = owner.get(path_of(patient), **{"If-None-Match": etag})

    assert (response.status_code, response.json()["age"]) == (200, 31)
    assert response.headers["ETag"] == changed.headers["ETag"] != etag


@pytest.mark.parametrize(("method", "body"), [("PUT", EMILE), ("PATCH", {"name": "Émile Zola"}), ("DELETE", None)])
def test_an_old_version_cannot_be_changed(owner, patient, method, body):
    etag = owner.get(path_of(patient)).headers["ETag"]
    owner.patch(path_of(patient), {"age": 31})

    response = owner.request(method, path_of(patient), body, **{"If-Match": etag})

    assert (response.status_code, response.json()) == (412, {"detail": STALE})
    assert Patient.objects.filter(name="Alice Smith", age=31).count() == 1


@pytest.mark.parametrize(("method", "body"), [("PUT", EMILE), ("PATCH", {"name": "Émile Zola"}), ("DELETE", None)])
@pytest.mark.parametrize("any_version", [True, False])
def test_the_current_version_can_be_changed(owner, patient, method, body, any_version):
    etag = "*" if any_version else owner.get(path_of(patient)).headers["ETag"]

    response = owner.request(method, path_of(patient), body, **{"If-Match": etag})

    assert response.status_code == 200
    assert not Patient.objects.filter(name="Alice Smith").exists()
