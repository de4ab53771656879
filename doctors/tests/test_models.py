"""The constraints of doctors in the database."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from conftest import DOCTOR
from doctors.models import Doctor


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"age": 17}, "doctors_doctor_age"),
        ({"age": 121}, "doctors_doctor_age"),
        ({"gender": "robot"}, "doctors_doctor_gender"),
        ({"phone": "123456"}, "doctors_doctor_phone"),
        ({"phone": "1234567\n"}, "doctors_doctor_phone"),
        ({"address": "x" * 1001}, "doctors_doctor_address"),
    ],
)
def test_the_database_refuses(owner, change, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Doctor.objects.create(user=owner.user, **{**DOCTOR, **change})

    assert not Doctor.objects.exists()


def test_the_database_accepts_a_doctor_without_age_gender_and_phone(owner):
    Doctor.objects.create(user=owner.user, **{**DOCTOR, "age": None, "gender": "", "phone": ""})

    assert Doctor.objects.filter(age=None, gender="").count() == 1


@pytest.mark.parametrize("email", ["rené@example.com", "RENÉ@EXAMPLE.COM"])
def test_the_database_refuses_an_email_in_another_case(owner, email):
    Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": "René@example.com"})

    with pytest.raises(IntegrityError, match="doctors_doctor_email_unique"), transaction.atomic():
        Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": email})

    assert Doctor.objects.count() == 1


def test_a_user_with_doctors_cannot_be_deleted(doctor):
    with pytest.raises(ProtectedError):
        doctor.user.delete()

    assert Doctor.objects.get().user == doctor.user


def test_an_assigned_doctor_cannot_be_deleted(mapping):
    with pytest.raises(ProtectedError):
        mapping.doctor.delete()

    assert Doctor.objects.get() == mapping.doctor


def test_an_anonymous_user_sees_no_doctor(doctor):
    visible = Doctor.objects.visible_to(AnonymousUser())

    assert not visible.exists()


def test_a_doctor_is_displayed_by_name_and_specialization(doctor):
    assert str(doctor) == "Dr. Robert Brown, Cardiologist"
