"""The constraints of patients in the database."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from conftest import PATIENT
from patients.models import Patient


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"age": 151}, "patients_patient_age"),
        ({"age": -1}, "age"),
        ({"gender": "robot"}, "patients_patient_gender"),
        ({"gender": ""}, "patients_patient_gender"),
        ({"gender": "ma"}, "patients_patient_gender"),
        ({"phone": "123456"}, "patients_patient_phone"),
        ({"phone": "98765x43210"}, "patients_patient_phone"),
        ({"phone": "1234567\n"}, "patients_patient_phone"),
        ({"phone": "٩٨٧٦٥٤٣٢١٠"}, "patients_patient_phone"),
        ({"address": "x" * 1001}, "patients_patient_address"),
    ],
)
def test_the_database_refuses(owner, change, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Patient.objects.create(user=owner.user, **{**PATIENT, **change})

    assert not Patient.objects.exists()


def test_the_database_refuses_the_same_patient_in_another_case(patient):
    twin = {**PATIENT, "name": "ALICE smith", "email": "ALICES@gmail.com"}

    with pytest.raises(IntegrityError, match="patients_patient_unique_per_user"), transaction.atomic():
        Patient.objects.create(user=patient.user, **twin)

    assert Patient.objects.count() == 1


def test_the_database_compares_names_by_the_rules_of_unicode(owner):
    Patient.objects.create(user=owner.user, **{**PATIENT, "name": "Émile Ångström"})

    with pytest.raises(IntegrityError, match="patients_patient_unique_per_user"), transaction.atomic():
        Patient.objects.create(user=owner.user, **{**PATIENT, "name": "ÉMILE ÅNGSTRÖM"})


def test_a_form_reports_what_the_database_would_refuse(patient):
    twin = Patient(user=patient.user, **PATIENT)

    with pytest.raises(ValidationError, match="This patient exists already"):
        twin.full_clean()


def test_an_address_has_at_most_1000_characters_in_the_database_and_before(owner):
    patient = Patient(user=owner.user, **{**PATIENT, "address": "🏥\n" * 500})
    patient.full_clean()
    patient.save()

    patient.address += "x"

    with pytest.raises(ValidationError, match="at most 1000 characters") as refused:
        patient.full_clean()
    assert list(refused.value.error_dict) == ["address"]


def test_a_user_with_patients_cannot_be_deleted(patient):
    with pytest.raises(ProtectedError):
        patient.user.delete()

    assert Patient.objects.get().user == patient.user


def test_an_anonymous_user_sees_no_patient(patient):
    visible = Patient.objects.visible_to(AnonymousUser())

    assert not visible.exists()


def test_a_patient_is_displayed_by_name(patient):
    assert str(patient) == "Alice Smith"
