"""Errors outside of views: their responses have the right format and no personal data."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError
from django.test import Client

from accounts.models import User
from healthcare.api import constraints
from healthcare.api.json import encode


@pytest.mark.parametrize(
    ("error", "status", "logged"),
    [
        (OperationalError("unavailable"), 503, ["database unavailable"]),
        (IntegrityError("both"), 409, []),
        (KeyError("secret"), 500, ["server error"]),
    ],
)
def test_an_error_in_the_admin_is_a_page_with_the_right_status(
    monkeypatch, staff_browser, caplog, error, status, logged
):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("patients.admin.PatientAdmin.get_queryset", fail)
    staff_browser.raise_request_exception = False

    response = staff_browser.get("/admin/patients/patient/")

    assert response.status_code == status
    assert [record.message for record in caplog.records if record.name == "healthcare.errors"] == logged
    assert "secret" not in response.content.decode()
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["X-Request-ID"]


def test_a_suspicious_operation_is_refused_in_json(db):
    client = Client(raise_request_exception=False)

    response = client.get("/", headers={"Host": "evil.example.com"})

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "Invalid Host header: the host is not in ALLOWED_HOSTS."},
    )


def test_an_unknown_constraint_is_a_conflict():
    assert constraints.refusal(IntegrityError("something new")).status_code == 409


@pytest.mark.parametrize(
    ("constraint", "field"),
    [
        ("patients_patient_age", "age"),
        ("doctors_doctor_age", "age"),
        ("patients_patient_gender", "gender"),
        ("doctors_doctor_phone", "phone"),
        ("accounts_user_email_unique", "email"),
        ("patients_patient_unique_per_user", "non_field_errors"),
        ("mappings_mapping_unique_pair", "non_field_errors"),
    ],
)
def test_a_constraint_is_reported_on_its_field(constraint, field):
    assert constraints.field_of(constraints.constraints()[constraint]) == field


def test_a_lone_surrogate_in_an_error_is_replaced():
    assert encode({"\ud800": ["unknown"]}) == '{"\ufffd": ["unknown"]}'.encode()


def test_createsuperuser_creates_a_user_who_can_log_in_to_the_admin(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a-long-pass-77")

    call_command("createsuperuser", "--noinput", "--email", "boss@example.com", "--name", "Boss", verbosity=0)

    boss = User.objects.get()
    assert boss.is_staff
    assert boss.is_superuser
    assert boss.check_password("a-long-pass-77")


@pytest.mark.parametrize("path", ["/api/patients/", "/api/patients/1/", "/api/auth/me/"])
def test_a_thousand_parameters_are_refused(owner, path):
    assert owner.get(path + "?" + "a=1&" * 1001).status_code == 400


def test_the_top_of_the_api_without_its_slash_is_not_found_for_a_post(anonymous):
    assert anonymous.post("/api", {}).status_code == 404
