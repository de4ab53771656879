"""Restoring deleted records."""

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from conftest import PATIENT
from healthcare.tests.admin.restoring import restore
from mappings.models import Mapping
from patients.models import Patient


def test_a_deleted_patient_is_restored_as_it_was(staff_browser, staff, patient):
    pk, created_at = patient.pk, patient.created_at
    staff_browser.post(reverse("admin:patients_patient_delete", args=[pk]), {"post": "yes"})
    deletion = Patient.history.first()

    restore(staff_browser, Patient, deletion)

    back = Patient.objects.get()
    newest = back.history.first()
    assert deletion.history_user == staff.user
    assert (back.pk, back.name, back.created_at) == (pk, PATIENT["name"], created_at)
    assert (newest.history_change_reason, newest.history_user) == ("restored", staff.user)


def test_a_deletion_by_the_list_action_carries_the_name_of_staff(staff_browser, staff, mapping):
    url = reverse("admin:patients_patient_changelist")

    staff_browser.post(url, {"action": "delete_selected", "_selected_action": [mapping.patient_id], "post": "yes"})

    assert Mapping.history.first().history_user == staff.user
    assert Patient.history.first().history_user == staff.user


def test_a_refused_restoration_explains_the_reason(staff_browser, patient):
    version = patient.history.first()
    patient.delete()
    deletion = Patient.history.first()
    Patient.objects.create(user=patient.user, **PATIENT)

    not_deleted = restore(staff_browser, Patient, version).content.decode()
    taken = restore(staff_browser, Patient, deletion).content.decode()

    assert "This version is not a deletion." in not_deleted
    assert "This patient exists already" in taken
    assert Patient.objects.count() == 1


def test_a_record_that_exists_is_not_restored_over(staff_browser, patient):
    pk = patient.pk
    patient.delete()
    deletion = Patient.history.first()
    restore(staff_browser, Patient, deletion)
    Patient.objects.filter(pk=pk).update(age=99)

    page = restore(staff_browser, Patient, deletion).content.decode()

    assert "The record already exists" in page
    assert Patient.objects.get().age == 99


def test_a_mapping_whose_doctor_is_gone_is_not_restored(staff_browser, mapping):
    doctor = mapping.doctor
    mapping.delete()
    doctor.delete()

    page = restore(staff_browser, Mapping, Mapping.history.first()).content.decode()

    assert "not a valid choice" in page
    assert not Mapping.objects.exists()


def test_staff_with_only_the_view_permission_cannot_restore(make_user, patient):
    auditor = make_user("Ada Auditor", is_staff=True)
    auditor.user_permissions.add(Permission.objects.get(codename="view_patient"))
    browser = Client()
    browser.force_login(auditor)
    patient.delete()

    page = restore(browser, Patient, Patient.history.first()).content.decode()

    assert 'value="restore"' not in page
    assert not Patient.objects.exists()


def test_at_most_a_hundred_versions_can_be_selected(staff_browser, owner):
    patients = [Patient(user=owner.user, **{**PATIENT, "phone": f"{number:07}"}) for number in range(101)]
    Patient.history.bulk_history_create(Patient.objects.bulk_create(patients))
    Patient.history.update(history_type="-")
    Patient.objects.all().delete()
    selected = {"action": "restore", "_selected_action": [1], "select_across": "1"}

    page = staff_browser.post(reverse("admin:patients_historicalpatient_changelist"), selected, follow=True)

    assert "Select at most 100 versions." in page.content.decode()
    assert not Patient.objects.exists()
