"""The history of a patient in the API: what changed, when, and by whom."""

import re

import pytest
from django.db import connection
from django.urls import reverse

from conftest import PATIENT
from healthcare.api import streaming
from patients.models import Patient

PATIENTS = reverse("patients-list")


def path_of(patient):
    return reverse("patients-detail", args=[patient.pk])


def history_of(patient):
    return reverse("patients-history", args=[patient.pk])


@pytest.fixture
def storied(owner):
    """A patient that the owner has created, changed and deleted."""
    location = owner.post(PATIENTS, PATIENT).headers["Location"]
    patient = Patient.objects.get()
    owner.patch(location, {"age": 31, "phone": "+1 234 567 89"})
    owner.delete(location)
    return patient


@pytest.fixture
def unwritable(transactional_db):
    """Return a function that renames the history table for the rest of the test."""
    table = Patient.history.model._meta.db_table

    def rename(old, new):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    yield lambda: rename(table, "renamed")
    rename("renamed", table)


def test_a_history_has_old_and_new_values_newest_first(owner, storied):
    response = owner.get(history_of(storied))

    deleted, changed, created = response.json()
    assert response.status_code == 200
    assert [version["action"] for version in (deleted, changed, created)] == ["deleted", "changed", "created"]
    assert deleted["changes"] == []
    assert changed["changes"] == [
        {"field": "age", "old": 30, "new": 31},
        {"field": "phone", "old": "9876543210", "new": "+123456789"},
    ]
    assert created["changes"] == [{"field": name, "old": None, "new": value} for name, value in PATIENT.items()]


def test_a_history_has_authors_and_times(owner, storied):
    versions = owner.get(history_of(storied)).json()

    timestamps = [version["at"] for version in versions]
    assert [version["by"] for version in versions] == [owner.user.pk] * 3
    assert timestamps == sorted(timestamps, reverse=True)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", timestamp) for timestamp in timestamps)


@pytest.mark.parametrize("chunk", [1, 2])
def test_a_long_history_is_streamed_in_the_same_bytes(owner, storied, monkeypatch, chunk):
    whole = owner.get(history_of(storied))
    monkeypatch.setattr(streaming, "CHUNK_ROWS", chunk)

    streamed = owner.get(history_of(storied))

    assert (whole.streaming, streamed.streaming) == (False, True)
    assert streamed.getvalue() == whole.content


@pytest.mark.parametrize("deleted", [True, False])
def test_only_the_owner_can_read_a_history(owner, stranger, staff, storied, deleted):
    patient = storied if deleted else Patient.objects.create(user=owner.user, **PATIENT)
    nowhere = stranger.get(reverse("patients-history", args=[10**9]))

    for client in (stranger, staff):
        response = client.get(history_of(patient))

        assert (response.status_code, response.json()) == (404, nowhere.json())
        assert response.content == nowhere.content


def test_a_refused_change_leaves_no_version(owner, patient):
    owner.patch(path_of(patient), {"age": 151})
    owner.patch(path_of(patient), {"age": 31}, **{"If-Match": '"old"'})
    owner.post(PATIENTS, PATIENT)

    versions = owner.get(history_of(patient)).json()

    assert [version["action"] for version in versions] == ["created"]
    assert Patient.history.count() == 1


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("POST", PATIENT | {"phone": "5550001"}),
        ("PUT", PATIENT | {"age": 31}),
        ("PATCH", {"age": 31}),
        ("DELETE", None),
    ],
)
def test_a_change_without_history_is_rolled_back(unwritable, owner, patient, method, body):
    before = list(Patient.objects.values())
    unwritable()

    response = owner.request(method, PATIENTS if method == "POST" else path_of(patient), body)

    assert response.status_code in (500, 503)
    assert list(response.json()) == ["detail"]
    assert list(Patient.objects.values()) == before


def test_a_history_supports_no_other_method(owner, patient):
    response = owner.delete(history_of(patient))

    assert response.status_code == 405
    assert Patient.history.count() == 1
