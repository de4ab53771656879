"""A form that is sent after the session has expired is kept until the log-in."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from conftest import PASSWORD, PATIENT
from patients.models import Patient

NO_DOCTORS = {"mappings-TOTAL_FORMS": 0, "mappings-INITIAL_FORMS": 0}


def test_a_form_sent_after_the_session_has_expired_is_kept_until_the_log_in(staff_browser, staff):
    Session.objects.all().delete()
    url, form = reverse("admin:patients_patient_add"), {**PATIENT, **NO_DOCTORS, "user": staff.user.pk}

    expired = staff_browser.post(url, {**form, "address": "a\nb"})
    held = dict(expired.context["held"])
    log_in = {"username": staff.user.email, "password": PASSWORD, "next": url}
    wrong = staff_browser.post(reverse("admin:login"), {**log_in, **held, "password": "wrong"})
    back = staff_browser.post(reverse("admin:login"), {**log_in, **dict(wrong.context["held"])})

    assert expired.status_code == 401
    assert back.context["action"] == url
    staff_browser.post(back.context["action"], dict(back.context["held"]))
    assert Patient.objects.get().address == "a\nb"


def test_a_password_is_not_kept_in_the_page(staff_browser, staff):
    Session.objects.all().delete()
    form = {"name": "New", "password1": "secret-secret", "password2": "secret-secret"}

    page = staff_browser.post(reverse("admin:accounts_user_add"), form).content.decode()

    assert "New" in page
    assert "secret-secret" not in page


@pytest.mark.parametrize("form", [{"address": "'" * 100_000}, {f"field{number}": "" for number in range(301)}])
def test_a_large_form_sent_without_a_session_is_not_kept(db, form):
    page = reverse("admin:patients_patient_add")
    plain = Client().post(page)
    answer = Client().post(page, form)

    assert answer.status_code == plain.status_code == 401
    assert len(answer.content) == len(plain.content)


@pytest.mark.parametrize("form", [{"address": "'" * 200_000}, {f"field{number}": "" for number in range(301)}])
def test_a_log_in_keeps_no_large_form(db, form):
    plain, answer = (
        Client().post(reverse("admin:login"), {f"held-{name}": value for name, value in sent.items()})
        for sent in ({}, form)
    )

    assert len(answer.content) == len(plain.content)


def test_a_form_of_99_kb_is_kept_until_the_log_in(db):
    expired = Client().post(reverse("admin:patients_patient_add"), {"address": "'" * 99_000})
    wrong = Client().post(reverse("admin:login"), dict(expired.context["held"]))

    assert dict(wrong.context["held"]) == {"held-address": "'" * 99_000}
