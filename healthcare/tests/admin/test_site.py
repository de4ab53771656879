"""Features of all pages of the admin: search, errors, the time zone, sections."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import reverse

from conftest import DOCTOR, PASSWORD, PATIENT
from doctors.models import Doctor
from patients.models import Patient

NO_DOCTORS = {"mappings-TOTAL_FORMS": 0, "mappings-INITIAL_FORMS": 0}


# Search


def found(browser, text):
    groups = browser.get(reverse("admin:search"), {"q": text}).context["groups"]
    return [record.name for group in groups for record, _, _ in group["rows"]]


@pytest.mark.parametrize("text", ["GĘSIARZ", "zoë gę", "+48 (22) 123-45", "ulica 7", "ZOË@EXAMPLE"])
def test_the_search_of_the_header_finds_patients_by_what_was_typed(staff_browser, patient, text):
    fields = {"name": "Zoë Gęsiarz", "phone": "+4822123456", "address": "Ulica 7", "email": "zoë@example.com"}
    Patient.objects.create(user=patient.user, **{**PATIENT, **fields})

    assert found(staff_browser, text) == ["Zoë Gęsiarz"]


def test_the_search_of_the_header_finds_an_id_and_doctors(staff_browser, patient, doctor):
    assert PATIENT["name"] in found(staff_browser, f"#{patient.pk}")
    assert found(staff_browser, "cardio robert") == [doctor.name]
    assert found(staff_browser, "") == []


def test_the_log_names_what_the_search_found(staff_browser, patient, caplog):
    caplog.set_level("INFO", "healthcare")

    staff_browser.get(reverse("admin:search"), {"q": "alice"})

    assert caplog.records[-1].data["ids"] == [patient.pk]


def test_the_search_shows_nothing_that_its_user_may_not_view(make_user, patient):
    browser = Client()
    browser.force_login(make_user("Norma Nobody", is_staff=True))

    assert found(browser, "alice") == []


def test_the_choices_of_a_field_tell_people_of_one_name_apart(staff_browser, patient):
    Patient.objects.create(user=patient.user, **{**PATIENT, "age": 7, "phone": ""})
    field = {"app_label": "mappings", "model_name": "mapping", "field_name": "patient", "term": "alice smi"}

    answer = staff_browser.get(reverse("admin:autocomplete"), field).json()

    assert [choice["text"] for choice in answer["results"]] == [
        f"Alice Smith, 7, female, #{patient.pk + 1}",
        f"Alice Smith, 30, female, 9876543210, #{patient.pk}",
    ]


def test_deactivated_users_are_marked_and_not_offered(staff_browser, patient):
    user = patient.user
    user.is_active = False
    user.save()
    field = {"app_label": "patients", "model_name": "patient", "field_name": "user", "term": "olive"}

    offered = staff_browser.get(reverse("admin:autocomplete"), field).json()["results"]
    listed = staff_browser.get(reverse("admin:patients_patient_changelist")).content.decode()

    assert offered == []
    assert "Olive Owner (deactivated)" in listed


# Filters


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"specialization": "cardio"}, ["Dr. Robert Brown"]),
        ({"specialization": "x"}, []),
        ({"gender": "male"}, ["Dr. Robert Brown"]),
        ({"created_at__from": "2000-01-01", "created_at__to": "2000-01-31"}, []),
        ({"created_at__from": "2000-01-01"}, ["Dr. Robert Brown"]),
        ({"gender": "", "specialization": "", "created_at__from": ""}, ["Dr. Robert Brown"]),
    ],
)
def test_doctors_are_filtered(staff_browser, doctor, query, names):
    response = staff_browser.get(reverse("admin:doctors_doctor_changelist"), query)

    assert [record.name for record in response.context["cl"].result_list] == names


def test_patients_are_filtered_by_doctor_and_by_user(staff_browser, mapping, stranger):
    Patient.objects.create(user=stranger.user, **{**PATIENT, "name": "Bob"})
    url = reverse("admin:patients_patient_changelist")

    by_doctor = staff_browser.get(url, {"mappings__doctor__id__exact": mapping.doctor_id})
    by_user = staff_browser.get(url, {"user__id__exact": stranger.user.pk})

    assert [patient.name for patient in by_doctor.context["cl"].result_list] == ["Alice Smith"]
    assert [patient.name for patient in by_user.context["cl"].result_list] == ["Bob"]
    assert "Doctor: Dr. Robert Brown" in by_doctor.content.decode()


def test_a_malformed_filter_leads_back_to_the_whole_list(staff_browser, patient):
    url = reverse("admin:patients_patient_changelist")

    assert staff_browser.get(url, {"created_at__from": "yesterday"}).headers["Location"] == f"{url}?e=1"


def test_a_day_is_one_of_the_time_zone(staff_browser, patient):
    Patient.objects.update(created_at="2026-03-01T23:30:00Z")
    query = {"created_at__from": "2026-03-02", "created_at__to": "2026-03-02"}

    with override_settings(TIME_ZONE="Europe/Warsaw"):
        response = staff_browser.get(reverse("admin:patients_patient_changelist"), query)

    page = response.content.decode()
    assert response.context["cl"].result_count == 1
    assert "2026-03-02 00:30" in page
    assert "Times in Europe/Warsaw" in page


def test_the_api_answers_in_utc_whatever_the_time_zone(owner, patient):
    with override_settings(TIME_ZONE="Europe/Warsaw"):
        created_at = owner.get(f"/api/patients/{patient.pk}/").json()["created_at"]

    assert created_at == f"{patient.created_at:%Y-%m-%dT%H:%M:%S.%f}Z"


# Errors


def is_a_page(response, title):
    page = response.content.decode()
    return f"<h1>{title}</h1>" in page and reverse("admin:index") in page


def test_a_forbidden_page_explains_itself(make_user, patient):
    browser = Client()
    browser.force_login(make_user("Norma Nobody", is_staff=True))

    response = browser.get(reverse("admin:patients_patient_changelist"))

    assert response.status_code == 403
    assert is_a_page(response, "Not allowed")


def test_a_form_without_its_csrf_token_gets_a_page_that_explains_it(staff):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(staff.user)

    response = browser.post(reverse("admin:patients_patient_add"), PATIENT)

    assert response.status_code == 403
    assert is_a_page(response, "Form expired")


def test_a_request_with_too_many_fields_gets_a_page(staff_browser):
    form = {f"field{number}": "" for number in range(1001)}

    response = staff_browser.post(reverse("admin:patients_patient_add"), form)

    assert response.status_code == 400
    assert is_a_page(response, "Bad request")


def test_the_error_page_for_an_unavailable_database_makes_no_queries(staff, monkeypatch):
    browser = Client(raise_request_exception=False)
    browser.force_login(staff.user)

    def fail(*args, **kwargs):
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr("django.db.backends.utils.CursorWrapper.execute", fail)
        response = browser.get(reverse("admin:patients_patient_changelist"))

    assert (response.status_code, response.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert response.headers["Retry-After"]
    assert is_a_page(response, "Unavailable")


# Sections


def test_the_sidebar_begins_with_patients_and_doctors(staff_browser):
    page = staff_browser.get(reverse("admin:patients_patient_changelist"))

    sections = {
        section["name"]: [str(m["name"]) for m in section["models"]] for section in page.context["available_apps"]
    }
    assert sections["Clinic"] == ["Patients", "Doctors", "Assignments"]
    assert sections["Administration"][:2] == ["Users", "Groups"]
    assert sections["History"] == ["Patient versions", "Doctor versions", "Assignment versions", "User versions"]
    assert "Mapping" not in page.content.decode()
    assert "View site" not in page.content.decode()


def test_the_paths_of_the_password_pages_begin_with_the_overview(staff_browser, patient):
    for url in (reverse("admin:password_change"), reverse("admin:auth_user_password_change", args=[patient.user_id])):
        path = staff_browser.get(url).content.decode().split('<div class="breadcrumbs">')[1].split("</div>")[0]
        assert "Overview</a>" in path
        assert "Home" not in path


def test_permissions_are_named_like_the_pages(db):
    assert Permission.objects.get(codename="view_historicalmapping").name == "Can view assignment version"


def test_a_form_keeps_the_spelling_of_a_gender(staff_browser, doctor):
    Doctor.objects.update(gender="M")
    url = reverse("admin:doctors_doctor_change", args=[doctor.pk])
    form = {**DOCTOR, "gender": "M", "user": doctor.user_id, "version": doctor.history.get().pk}

    shown = staff_browser.get(url).content.decode()
    staff_browser.post(url, {**form, "age": 50})

    doctor.refresh_from_db()
    assert '<option value="M" selected>Male</option>' in shown
    assert (doctor.gender, doctor.age) == ("M", 50)


def test_a_log_in_with_a_foreign_next_leads_to_the_overview(staff):
    body = {"username": staff.user.email, "password": PASSWORD, "next": "https://evil.example/"}

    response = Client().post(reverse("admin:login"), body)

    assert (response.status_code, response.url) == (302, reverse("admin:index"))


@pytest.mark.django_db(transaction=True)
def test_a_session_that_cannot_be_saved_is_a_503(staff_browser, monkeypatch):
    def unavailable(*args, **kwargs):
        raise OperationalError("gone")

    staff_browser.raise_request_exception = False
    monkeypatch.setattr(Session, "save", unavailable)

    response = staff_browser.get(reverse("admin:index"))

    assert response.status_code == 503
    assert response["Retry-After"]
