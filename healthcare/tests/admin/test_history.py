"""Histories in the admin: which changes add versions, and how they are restored."""

import pytest
from django.urls import reverse

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

NO_DOCTORS = {"mappings-TOTAL_FORMS": 0, "mappings-INITIAL_FORMS": 0}


def form_of(patient, **changes):
    version = patient.history.first().pk
    return {**PATIENT, "address": patient.address, **NO_DOCTORS, "user": patient.user_id, "version": version, **changes}


@pytest.fixture
def page(patient):
    return reverse("admin:patients_patient_change", args=[patient.pk])


@pytest.fixture
def put_back(staff_browser):
    def post(version, browser=staff_browser):
        url = reverse(f"admin:{version._meta.app_label}_{version._meta.model_name}_put_back", args=[version.pk])
        return browser.post(url, follow=True)

    return post


def test_a_form_saved_as_it_was_opened_writes_no_version(staff_browser, patient, page):
    response = staff_browser.post(page, form_of(patient))

    assert response.status_code == 302
    assert patient.history.count() == 1


def test_an_address_with_the_line_ends_of_a_browser_is_unchanged(staff_browser, patient, page):
    patient.address = "street 123\nfloor 2"
    patient.save()

    staff_browser.post(page, form_of(patient, address="street 123\r\nfloor 2"))

    patient.refresh_from_db()
    assert (patient.address, patient.history.count()) == ("street 123\nfloor 2", 2)


@pytest.mark.parametrize("sent", ["a\r\nb\rc\nd", "a\nb\nc\nd"])
def test_the_api_stores_and_answers_line_feeds(owner, sent):
    answer = owner.post("/api/patients/", {**PATIENT, "address": sent})

    assert (answer.status_code, answer.json()["address"]) == (201, "a\nb\nc\nd")
    assert Patient.objects.get().address == "a\nb\nc\nd"


def test_the_history_of_a_patient_has_the_assignments_too(staff_browser, mapping, django_assert_max_num_queries):
    mapping.delete()
    url = reverse("admin:patients_patient_history", args=[mapping.patient_id])

    with django_assert_max_num_queries(12):
        response = staff_browser.get(url)

    entries = [(entry.verb, entry.kind) for entry in response.context["entries"]]
    assert entries == [("Deleted", "assignment"), ("Added", "assignment"), ("Added", "patient")]
    assert "<h1>Patient history</h1>" in response.content.decode()


def test_a_history_says_what_each_version_changed(staff_browser, patient, page):
    staff_browser.post(page, form_of(patient, age=31, phone="1234567"))

    entries = staff_browser.get(reverse("admin:patients_patient_history", args=[patient.pk])).context["entries"]

    assert [tuple(change) for change in entries[0].changes] == [("age", "30", "31"), ("phone", "9876543210", "1234567")]


def test_a_long_history_has_pages(staff_browser, patient, monkeypatch):
    monkeypatch.setattr("healthcare.admin.timeline.page.__defaults__", (None, 2))
    for age in (31, 32):
        patient.age = age
        patient.save()
    url = reverse("admin:patients_patient_history", args=[patient.pk])

    first = staff_browser.get(url)
    second = staff_browser.get(url, {"before": first.context["older"]})

    assert [len(page.context["entries"]) for page in (first, second)] == [2, 1]
    assert second.context["older"] is None


def test_the_values_of_a_version_are_restored(staff, patient, put_back):
    old = patient.history.get()
    Patient.objects.get().history.all()
    patient.name, patient.age = "Wrong", 99
    patient.save()

    response = put_back(old)

    patient.refresh_from_db()
    newest = patient.history.first()
    assert response.redirect_chain[-1][0] == reverse("admin:patients_patient_page", args=[patient.pk])
    assert (patient.name, patient.age) == (PATIENT["name"], PATIENT["age"])
    assert (newest.history_user, newest.history_change_reason) == (staff.user, "restored")


def test_a_version_with_the_current_values_is_not_restored(patient, put_back):
    put_back(patient.history.get())

    assert patient.history.count() == 1


def test_a_version_that_would_be_a_duplicate_is_not_restored(patient, put_back):
    old = patient.history.get()
    patient.name = "Other"
    patient.save()
    Patient.objects.create(user=patient.user, **PATIENT)

    page = put_back(old).content.decode()

    patient.refresh_from_db()
    assert "This patient exists already" in page
    assert patient.name == "Other"


def test_restoring_a_version_needs_the_permission_to_change(browser_with, patient, put_back):
    browser = browser_with("view_patient")
    old = patient.history.get()
    patient.name = "Other"
    patient.save()

    shown = browser.get(reverse("admin:patients_historicalpatient_change", args=[old.pk])).content.decode()
    response = put_back(old, browser)

    patient.refresh_from_db()
    assert (response.status_code, patient.name) == (403, "Other")
    assert "Put back" not in shown


def test_a_deletion_offers_to_undo_it(staff_browser, mapping):
    patient = mapping.patient
    response = staff_browser.post(
        reverse("admin:patients_patient_delete", args=[patient.pk]), {"post": "yes"}, follow=True
    )
    page = response.content.decode()
    deletion = Patient.history.first()

    assert "Undo" in page
    assert f'name="_selected_action" value="{deletion.pk}"' in page
    url = reverse("admin:patients_historicalpatient_changelist")
    back = staff_browser.post(url, {"action": "restore", "_selected_action": [deletion.pk]}, follow=True)

    assert back.redirect_chain[-1][0] == reverse("admin:patients_patient_page", args=[patient.pk])
    assert Mapping.objects.get().pk == mapping.pk


def test_the_page_of_a_deleted_record_is_its_deletion_with_a_button_that_restores_it(staff_browser, patient, page):
    patient.delete()

    shown = staff_browser.get(page, follow=True).content.decode()

    assert "<h1>Patient as deleted on" in shown
    assert ">Restore</button>" in shown


def test_of_patients_deleted_from_a_list_each_has_its_own_doctors_again(staff_browser, owner, mapping):
    doctor = Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": "b@example.com"})
    other = Patient.objects.create(user=owner.user, **{**PATIENT, "name": "Bob"})
    Mapping.objects.create(patient=other, doctor=doctor, user=owner.user)
    before = set(Mapping.objects.values_list("patient", "doctor"))
    ids = [mapping.patient_id, other.pk]
    url = reverse("admin:patients_patient_changelist")

    staff_browser.post(url, {"action": "delete_selected", "_selected_action": ids, "post": "yes"})
    deletions = Patient.history.filter(history_type="-").values_list("pk", flat=True)
    url = reverse("admin:patients_historicalpatient_changelist")
    staff_browser.post(url, {"action": "restore", "_selected_action": list(deletions)})

    assert set(Mapping.objects.values_list("patient", "doctor")) == before
