"""The groups created by a migration: what a receptionist and an administrator can do in the admin."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

NO_DOCTORS = {"mappings-TOTAL_FORMS": 0, "mappings-INITIAL_FORMS": 0}


@pytest.fixture
def member(make_user):
    """Return a function that creates a member of a group and returns (user, browser)."""

    def make(group):
        import_module("mappings.migrations.0005_roles").create(apps, connection.schema_editor())
        user = make_user(f"Rita {group}", is_staff=True)
        user.groups.set([Group.objects.get(name=group)])
        browser = Client()
        browser.force_login(user)
        return user, browser

    return make


def test_a_receptionist_adds_a_patient_without_rights_on_users(member):
    user, browser = member("Reception")

    form = browser.get(reverse("admin:patients_patient_add")).content.decode()
    browser.post(reverse("admin:patients_patient_add"), {**PATIENT, **NO_DOCTORS})

    assert 'name="user"' not in form
    assert Patient.objects.get().user == user


def test_a_receptionist_who_adds_the_same_patient_twice_is_warned(member):
    _, browser = member("Reception")
    form = {**PATIENT, **NO_DOCTORS, "another_person": "on"}
    browser.post(reverse("admin:patients_patient_add"), form)

    response = browser.post(reverse("admin:patients_patient_add"), form)

    assert "exists already" in response.content.decode()
    assert Patient.objects.count() == 1


def test_a_receptionist_changes_a_patient_and_its_user_stays(member, patient):
    _, browser = member("Reception")
    url = reverse("admin:patients_patient_change", args=[patient.pk])
    form = {**PATIENT, **NO_DOCTORS, "age": 31, "version": patient.history.get().pk, "user": 0}

    shown = browser.get(url).content.decode()
    browser.post(url, form)

    before, patient = patient.user, Patient.objects.get()
    assert before.name in shown
    assert (patient.age, patient.user) == (31, before)


def test_a_receptionist_adds_a_doctor_and_assigns_them(member, patient):
    user, browser = member("Reception")

    browser.post(reverse("admin:doctors_doctor_add"), DOCTOR)
    doctor = Doctor.objects.get()
    browser.post(reverse("admin:mappings_mapping_add"), {"patient": patient.pk, "doctor": doctor.pk})

    mapping = Mapping.objects.get()
    assert (mapping.patient, mapping.doctor, mapping.user) == (patient, doctor, user)


@pytest.mark.parametrize("page", ["patients_patient_delete", "patients_patient_export", "accounts_user_changelist"])
def test_a_receptionist_cannot_delete_export_or_see_users(member, patient, page):
    _, browser = member("Reception")
    arguments = [patient.pk] if page.endswith("delete") else []

    assert browser.get(reverse(f"admin:{page}", args=arguments)).status_code == 403


@pytest.mark.parametrize(
    "page", ["patients_patient_delete", "patients_patient_export", "patients_patient_import", "accounts_user_add"]
)
def test_an_administrator_can_delete_export_and_see_users(member, patient, page):
    _, browser = member("Administrators")
    arguments = [patient.pk] if page.endswith("delete") else []

    assert browser.get(reverse(f"admin:{page}", args=arguments)).status_code == 200


def test_the_migration_leaves_a_group_of_the_same_name_as_it_is(transactional_db):
    call_command("migrate", "mappings", "0004", verbosity=0)
    Group.objects.create(name="Reception")
    call_command("migrate", "mappings", verbosity=0)
    call_command("migrate", verbosity=0)

    assert Group.objects.get(name="Reception").permissions.count() == 0
    assert Group.objects.get(name="Administrators").permissions.filter(codename="export_patient").exists()
