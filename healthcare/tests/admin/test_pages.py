"""The pages of a patient and a doctor, and possible duplicates."""

from functools import partial

import pytest
from django.test import Client
from django.urls import reverse

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

NO_DOCTORS = {"mappings-TOTAL_FORMS": 0, "mappings-INITIAL_FORMS": 0}


@pytest.fixture
def add(staff_browser, staff):
    def post(**fields):
        form = {**PATIENT, **NO_DOCTORS, "user": staff.user.pk, **fields}
        return staff_browser.post(reverse("admin:patients_patient_add"), form)

    return post


def page_of(record):
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_page", args=[record.pk])


def test_the_page_of_a_patient_has_a_banner_the_doctors_and_a_timeline(
    staff_browser, mapping, django_assert_max_num_queries
):
    with django_assert_max_num_queries(18):
        page = staff_browser.get(page_of(mapping.patient)).content.decode()

    banner = page.split('id="banner"')[1].split("</div>")[0]
    for fact in ["Alice Smith", "30", "Female", "9876543210", f"#{mapping.patient_id}"]:
        assert fact in banner
    assert page_of(mapping.doctor) in page
    assert reverse("admin:patients_patient_change", args=[mapping.patient_id]) in page
    assert "Timeline" in page


def test_the_log_names_the_record_of_a_page(staff_browser, patient, caplog):
    caplog.set_level("INFO", "healthcare")

    staff_browser.get(page_of(patient))

    assert caplog.records[-1].data["ids"] == [patient.pk]


def test_after_saving_comes_the_page_of_the_record(add):
    response = add()

    assert response.headers["Location"] == page_of(Patient.objects.get())


@pytest.mark.parametrize(
    "same", [{"name": "Bob", "age": 9}, {"name": "ALICE smith", "phone": "1234567", "email": ""}], ids=["phone", "name"]
)
def test_possible_duplicates_of_any_user_are_named_before_a_patient_is_added(add, patient, same):
    response = add(**same)

    page = response.content.decode()
    assert "Possible duplicates" in page
    assert page_of(patient) in page
    assert 'name="another_person"' in page
    assert Patient.objects.count() == 1


def test_a_possible_duplicate_can_be_added(add, patient):
    response = add(name="Bob", another_person="on")

    assert response.status_code == 302
    assert Patient.objects.count() == 2


def test_a_change_without_a_duplicate_needs_no_confirmation(staff_browser, patient):
    other = Patient.objects.create(user=patient.user, **{**PATIENT, "name": "Twin"})
    form = {**PATIENT, **NO_DOCTORS, "name": "Twin", "address": "new", "user": other.user_id}

    staff_browser.post(
        reverse("admin:patients_patient_change", args=[other.pk]), {**form, "version": other.history.get().pk}
    )

    other.refresh_from_db()
    assert other.address == "new"


def test_possible_duplicates_are_listed_on_the_page_and_by_a_filter(staff_browser, patient):
    other = Patient.objects.create(user=patient.user, **{**PATIENT, "name": "Twin"})
    Patient.objects.create(user=patient.user, name="Alone", age=1, gender="male")

    page = staff_browser.get(page_of(patient)).content.decode()
    listed = staff_browser.get(reverse("admin:patients_patient_changelist"), {"duplicates": "1"})

    assert page_of(other) in page.split("Possible duplicates", 1)[1]
    assert [p.pk for p in listed.context["cl"].result_list] == [other.pk, patient.pk]


@pytest.mark.parametrize("most", [1, 5000])
def test_the_filter_finds_the_same_phone_and_the_same_name_and_age(staff_browser, patient, monkeypatch, most):
    monkeypatch.setattr("patients.admin.MOST", most)
    create = partial(Patient.objects.create, gender="male")
    same_phone = create(user=patient.user, name="Twin", age=1, phone=patient.phone)
    named = [
        create(user=patient.user, name=name, age=41, phone=phone) for name, phone in (("ÉMA", ""), ("éma", "1234567"))
    ]
    create(user=patient.user, name="Éma", age=42)
    create(user=patient.user, name="No phone either", age=42)

    listed = staff_browser.get(reverse("admin:patients_patient_changelist"), {"duplicates": "1"})

    assert {p.pk for p in listed.context["cl"].result_list} == {p.pk for p in (patient, same_phone, *named)}


def test_staff_with_only_the_view_permission_see_no_form(browser_with, patient):
    page = browser_with("view_patient").get(page_of(patient)).content.decode()

    assert PATIENT["name"] in page
    assert ">Edit<" not in page
    assert ">Delete<" not in page


def test_staff_without_the_view_permission_see_no_page(make_user, patient):
    browser = Client()
    browser.force_login(make_user("Norma Nobody", is_staff=True))

    assert browser.get(page_of(patient)).status_code == 403


def test_a_doctor_without_a_page_is_not_found(staff_browser):
    assert staff_browser.get(reverse("admin:doctors_doctor_page", args=[10**9])).status_code == 404


def test_the_page_of_a_doctor_does_not_query_for_each_patient(
    staff_browser, owner, doctor, django_assert_max_num_queries
):
    for number in range(9):
        patient = Patient.objects.create(user=owner.user, **{**PATIENT, "name": f"P{number}"})
        Mapping.objects.create(patient=patient, doctor=doctor, user=owner.user)

    with django_assert_max_num_queries(14):
        page = staff_browser.get(page_of(doctor)).content.decode()

    assert page.count("/admin/patients/patient/") >= 9
    assert Doctor.objects.get().email == DOCTOR["email"]
