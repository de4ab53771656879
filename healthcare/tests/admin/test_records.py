"""Lists and forms of the admin, and the recorded authors of changes."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conftest import DOCTOR, PASSWORD, PATIENT
from doctors.models import Doctor
from healthcare.api import errors
from healthcare.tests.admin.pages import PAGES
from healthcare.tests.admin.restoring import restore
from mappings.models import Mapping
from patients.models import Patient

# The formset of a patient's doctors, without any.
NO_DOCTORS = {"mappings-TOTAL_FORMS": 0, "mappings-INITIAL_FORMS": 0}


def form_of(record):
    """Return the values of the record's form as currently rendered."""
    known = PATIENT if isinstance(record, Patient) else DOCTOR
    return {**known, **NO_DOCTORS, "user": record.user_id, "version": record.history.first().pk}


@pytest.mark.parametrize("page", PAGES)
def test_staff_see_everything_and_a_search_finds_it(staff_browser, mapping, page):
    response = staff_browser.get(reverse(f"admin:{page}_changelist"), {"q": "a"} if "mapping" not in page else {})

    assert response.status_code == 200
    assert response.context["cl"].result_count >= 1


@pytest.mark.parametrize("page", PAGES)
def test_a_user_who_is_not_staff_is_sent_to_the_log_in(owner, page):
    browser = Client()
    browser.force_login(owner.user)

    response = browser.get(reverse(f"admin:{page}_changelist"))

    assert response.status_code == 302
    assert "/admin/login/" in response.headers["Location"]


@pytest.mark.parametrize("page", [page for page in PAGES if page != "accounts_user"])
def test_the_queries_of_a_list_do_not_grow_with_its_rows(staff_browser, make_user, django_assert_max_num_queries, page):
    for number in range(12):
        user = make_user(f"User {number}")
        patient = Patient.objects.create(user=user, **PATIENT)
        doctor = Doctor.objects.create(user=user, **{**DOCTOR, "email": f"d{number}@example.com"})
        Mapping.objects.create(user=user, patient=patient, doctor=doctor)

    with django_assert_max_num_queries(8):
        staff_browser.get(reverse(f"admin:{page}_changelist"))


def test_staff_who_were_idle_too_long_are_logged_off(staff_browser, settings):
    before = staff_browser.get("/admin/")
    Session.objects.update(expire_date=timezone.now())
    after = staff_browser.get("/admin/")

    assert (before.status_code, before.cookies["sessionid"]["max-age"]) == (200, settings.SESSION_COOKIE_AGE)
    assert settings.SESSION_COOKIE_AGE == 30 * 60
    assert (after.status_code, after.headers["Location"]) == (302, "/admin/login/?next=/admin/")


def test_a_list_is_filtered_by_gender_in_any_case(staff_browser, patient):
    Patient.objects.create(user=patient.user, **{**PATIENT, "name": "Bob", "gender": "MALE"})

    response = staff_browser.get(reverse("admin:patients_patient_changelist"), {"gender": "male"})

    assert [patient.name for patient in response.context["cl"].result_list] == ["Bob"]


def test_staff_log_in_by_e_mail_in_any_case(staff):
    response = Client().post(
        reverse("admin:login"), {"username": staff.user.email.upper(), "password": PASSWORD, "next": "/admin/"}
    )

    assert response.headers["Location"] == "/admin/"


@pytest.mark.parametrize(("who", "password"), [("staff", "wrong"), ("owner", PASSWORD)])
def test_a_refused_log_in_explains_who_can_log_in(request, who, password):
    email = request.getfixturevalue(who).user.email

    page = Client().post(reverse("admin:login"), {"username": email, "password": password}).content.decode()

    assert "No active staff account with this e-mail and password." in page


def test_what_staff_add_carries_their_name_and_is_normalised(staff_browser, staff):
    form = {**PATIENT, **NO_DOCTORS, "phone": "+1 (987) 654-3210", "user": staff.user.pk}

    staff_browser.post(reverse("admin:patients_patient_add"), form)

    patient = Patient.objects.get()
    assert patient.phone == "+19876543210"
    assert patient.history.get().history_user == staff.user


def test_what_staff_change_carries_their_name_and_is_seen_in_the_history(staff_browser, staff, patient):
    url = reverse("admin:patients_patient_change", args=[patient.pk])

    staff_browser.post(url, {**form_of(patient), "age": 31})

    newest = patient.history.first()
    page = staff_browser.get(reverse("admin:patients_patient_history", args=[patient.pk])).content.decode()
    assert (newest.age, newest.history_user) == (31, staff.user)
    assert staff.user.name in page


def test_a_history_says_what_was_done_to_the_record(staff_browser, staff, patient):
    pk = patient.pk
    staff_browser.post(reverse("admin:patients_patient_delete", args=[pk]), {"post": "yes"})
    restore(staff_browser, Patient, Patient.history.first())
    url = reverse("admin:patients_patient_history", args=[pk])

    entries = staff_browser.get(url).context["entries"]

    assert [entry.verb for entry in entries] == ["Restored", "Deleted", "Added"]


def test_a_version_is_shown_read_only_with_what_was_done_when_and_by_whom(staff_browser, staff, patient):
    url = reverse("admin:patients_patient_change", args=[patient.pk])
    staff_browser.post(url, {**form_of(patient), "name": "Second"})
    version = patient.history.first()
    Patient.objects.filter(pk=patient.pk).update(name="Third")
    url = reverse("admin:patients_patient_simple_history", args=[patient.pk, version.pk])

    response = staff_browser.get(url, follow=True)

    page, done = response.content.decode(), f"{version.history_date:%Y-%m-%d %H:%M:%S} by Stella Staff"
    assert response.redirect_chain == [(reverse("admin:patients_historicalpatient_change", args=[version.pk]), 302)]
    assert f"<h1>Patient as changed on {done}</h1>" in page
    assert "<h2>Second</h2>" in page
    assert "Third" not in page
    assert not [word for word in ('name="_save"', 'id="id_name"', "historylink") if word in page]


def test_a_version_without_an_author_has_no_name(staff_browser, patient):
    version = patient.history.get()

    page = staff_browser.get(reverse("admin:patients_historicalpatient_change", args=[version.pk])).content.decode()

    assert f"<h1>Patient as added on {version.history_date:%Y-%m-%d %H:%M:%S}</h1>" in page


def test_what_staff_add_is_theirs_unless_they_say_otherwise(staff_browser, staff):
    form = staff_browser.get(reverse("admin:patients_patient_add")).context["adminform"].form

    assert form.initial["user"] == staff.user.pk


def test_a_rule_that_a_form_breaks_is_shown_on_the_form(staff_browser, patient):
    form = {**PATIENT, **NO_DOCTORS, "age": 151, "phone": "12", "user": patient.user_id}

    response = staff_browser.post(reverse("admin:patients_patient_add"), form)

    assert set(response.context["adminform"].form.errors) >= {"age", "phone"}
    assert Patient.objects.count() == 1


def test_the_same_patient_twice_is_shown_on_the_form(staff_browser, patient):
    form = {**PATIENT, **NO_DOCTORS, "name": "ALICE smith", "user": patient.user_id}

    response = staff_browser.post(reverse("admin:patients_patient_add"), form)

    assert "exists already" in str(response.context["adminform"].form.errors)


def test_a_record_deleted_while_its_form_was_open_does_not_come_back(staff_browser, patient):
    pk, form = patient.pk, form_of(patient)
    patient.delete()

    staff_browser.post(reverse("admin:patients_patient_change", args=[pk]), form)

    assert not Patient.objects.exists()


@pytest.mark.parametrize("kind", ["patient", "doctor"])
def test_of_two_who_read_the_same_record_the_second_does_not_overwrite_the_first(request, staff_browser, kind):
    record = request.getfixturevalue(kind)
    url = reverse(f"admin:{kind}s_{kind}_change", args=[record.pk])
    first, second = (staff_browser.get(url).context["adminform"].form.initial["version"] for _ in range(2))

    staff_browser.post(url, {**form_of(record), "age": 31, "version": first})
    response = staff_browser.post(url, {**form_of(record), "name": "Second", "version": second})

    record.refresh_from_db()
    assert "Someone saved this record after you opened it" in response.content.decode()
    assert (record.age, record.name, record.history.count()) == (31, form_of(record)["name"], 2)


def test_what_was_refused_as_changed_since_is_refused_again(staff_browser, patient):
    url = reverse("admin:patients_patient_change", args=[patient.pk])
    form = form_of(patient)
    staff_browser.post(url, {**form, "age": 31})

    shown = staff_browser.post(url, form).context["adminform"].form["version"].value()
    response = staff_browser.post(url, {**form, "version": shown})

    assert "Someone saved this record after you opened it" in response.content.decode()


@pytest.mark.parametrize("version", [{}, {"version": ""}, {"version": "x"}, {"version": "\0"}, {"version": "9" * 99}])
def test_a_form_that_does_not_say_which_version_was_read_changes_nothing(staff_browser, patient, version):
    form = {**PATIENT, **NO_DOCTORS, "user": patient.user_id, "age": 31, **version}

    response = staff_browser.post(reverse("admin:patients_patient_change", args=[patient.pk]), form)

    patient.refresh_from_db()
    assert (response.status_code, patient.age) == (200, PATIENT["age"])
    assert "Someone saved this record after you opened it" in response.content.decode()


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/patients/patient/add/", "/api/docs/"])
def test_a_page_may_load_only_its_own_files(staff_browser, path):
    policy = staff_browser.get(path).headers["Content-Security-Policy"].split("; ")

    assert {"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert not [rule for rule in policy if rule.startswith("script-src")]


@pytest.mark.parametrize("page", [page for page in PAGES if page != "accounts_user"])
def test_a_list_names_users_without_their_e_mail_and_says_that_its_times_are_utc(staff_browser, owner, mapping, page):
    mapping._history_user = mapping.patient._history_user = mapping.doctor._history_user = owner.user
    for record in (mapping, mapping.patient, mapping.doctor):
        record.save()

    text = staff_browser.get(reverse(f"admin:{page}_changelist")).content.decode()

    assert owner.user.name in text
    assert owner.user.email not in text
    assert "Times in UTC" in text


@pytest.mark.parametrize("page", [page for page in PAGES if "historical" in page])
def test_the_record_comes_first_in_the_list_of_its_versions(staff_browser, mapping, page):
    box, first, *_ = staff_browser.get(reverse(f"admin:{page}_changelist")).context["cl"].list_display

    assert (box, first) == ("action_checkbox", "record")


def test_a_form_offers_the_genders_and_keeps_how_one_was_written(staff_browser, patient):
    page = staff_browser.get(reverse("admin:patients_patient_change", args=[patient.pk])).content.decode()

    select = page.split('name="gender"')[1].split("</select>")[0]
    options = re.findall('<option value="(.*?)"( selected)?>(.*?)</option>', select)
    assert options == [
        ("", "", "---------"),
        ("male", "", "Male"),
        ("Female", " selected", "Female"),
        ("other", "", "Other"),
        ("unknown", "", "Unknown"),
    ]


@pytest.mark.parametrize("path", ["/admin/nope/", "/admin/patients/nope/"])
def test_an_unknown_path_of_the_admin_is_a_page_with_404(staff_browser, path):
    response = staff_browser.get(path)

    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Page not found</h1>" in response.content.decode()
    assert "Stella Staff" in response.content.decode()


@pytest.mark.parametrize("path", ["/nope", "/api/nope/", "/administration/"])
def test_any_other_unknown_path_is_404_in_json(staff_browser, path):
    response = staff_browser.get(path)

    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/json")
    assert response.json() == {"detail": errors.NOT_FOUND}


def test_too_many_log_ins_get_a_page_with_the_time_to_wait(staff, settings):
    settings.LOGIN_FAILURES = 1
    form = {"username": staff.user.email, "password": "wrong"}
    Client().post(reverse("admin:login"), form)

    response = Client().post(reverse("admin:login"), form)

    page = response.content.decode()
    assert (response.status_code, response.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert 0 < int(response.headers["Retry-After"]) <= settings.LOGIN_FAILURE_SECONDS
    assert "Content-Security-Policy" in response.headers
    assert "<h1>Too many attempts</h1>" in page
    assert f"{response.headers['Retry-After']} seconds" in page
