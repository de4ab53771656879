"""`manage.py import_patients` with patients that exist already, concurrently, and with many rows."""

import csv

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from conftest import PATIENT
from patients.management.commands import import_patients
from patients.models import Patient
from patients.tests.files import ALICE, BOB, HEADER, names, run


def test_a_second_run_adds_what_is_missing_and_changes_nothing(owner, patient, csv_file):
    owner.patch(reverse("patients-detail", args=[patient.pk]), {"age": 31})

    said = run(csv_file(HEADER, ALICE, BOB, ALICE.upper()), owner)

    patient.refresh_from_db()
    assert said[0] == "1 added, 2 already there, 0 refused.\n"
    assert names() == ["Alice Smith", "Bob Jones"]
    assert patient.age == 31
    assert (patient.history.count(), Patient.history.count()) == (2, 3)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_stored_patient_with_other_values_is_reported_and_unchanged(owner, patient, csv_file, tmp_path, dry_run):
    moved = ALICE.replace("street 123", "street 9")
    path = csv_file(HEADER, ALICE.upper(), BOB, moved.replace("30", "31"), BOB.replace("7", "8", 1), moved)

    _, err = run(path, owner, report=tmp_path / "report.csv", dry_run=dry_run)

    reason = "Already there with another value, which stays."
    with (tmp_path / "report.csv").open(newline="") as file:
        reported = list(csv.reader(file))[1:]
    patient.refresh_from_db()
    assert err == "3 of those already there have other values in the file.\n"
    assert reported == [["4", "age, address", reason], ["5", "age", reason], ["6", "address", reason]]
    assert {name: getattr(patient, name) for name in PATIENT} == PATIENT
    assert (patient.history.count(), Patient.objects.count()) == (1, 1 if dry_run else 2)


def test_a_report_has_only_columns_of_the_file(owner, patient, csv_file):
    Patient.objects.filter(pk=patient.pk).update(email="")

    said = run(csv_file("name,age,gender,phone", "Alice Smith,30,Female,9876543210"), owner)

    assert said == ("0 added, 1 already there, 0 refused.\n", "")


def test_another_users_patient_is_not_a_duplicate(owner, patient, stranger, csv_file):
    out, _ = run(csv_file(HEADER, ALICE), stranger)

    assert out == "1 added, 0 already there, 0 refused.\n"
    assert set(Patient.objects.values_list("user", flat=True)) == {owner.user.pk, stranger.user.pk}


def test_a_dry_run_reports_and_stores_nothing(owner, patient, csv_file):
    said = run(csv_file(HEADER, ALICE, BOB, "Cid,x,male,1234567,,"), owner, dry_run=True)

    assert said == (
        "Dry run, nothing stored: 1 added, 1 already there, 1 refused.\n",
        "line 4: age: Must be a whole number from 0 to 150.\n1 of 3 rows were refused.",
    )
    assert (names(), Patient.history.count()) == (["Alice Smith"], 1)


def test_two_concurrent_imports_add_each_patient_once(owner, csv_file, race, monkeypatch):
    monkeypatch.setattr(import_patients, "BATCH", 10)
    path = csv_file(HEADER, *(f"Patient {number},30,male,{number + 10**7},," for number in range(50)))

    counts = race(*[lambda: run(path, owner)] * 2)

    assert sum(int(out.split()[0]) for out, _ in counts) == Patient.objects.count() == 50
    assert Patient.history.values("id").distinct().count() == Patient.history.count() == 50


def test_the_number_of_queries_does_not_grow_with_the_rows(owner, csv_file):
    counted = []

    for numbers in (range(2), range(2, 60)):
        path = csv_file(HEADER, *(f"Patient {number},30,male,{number + 10**7},," for number in numbers))
        with CaptureQueriesContext(connection) as queries:
            run(path, owner)
        counted.append(len(queries))

    assert Patient.history.count() == 60
    assert counted[0] == counted[1]
