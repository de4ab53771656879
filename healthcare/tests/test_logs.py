"""The log: one JSON line per request, with ids and without personal data."""

import io
import json
import logging

import pytest

from conftest import DOCTOR, PASSWORD, PATIENT, ApiClient
from healthcare.api import errors, streaming
from healthcare.logs import JSONFormatter
from patients.models import Patient
from patients.views import PatientViewSet

KEYS = ["time", "level", "logger", "event", "request_id", "user", "method", "route", "ids", "status", "ms"]


@pytest.fixture
def log(monkeypatch):
    """Return a function that returns the output of the configured handler as (text, lines)."""
    stream = io.StringIO()
    handler = next(h for h in logging.getLogger().handlers if isinstance(h.formatter, JSONFormatter))
    monkeypatch.setattr(handler, "stream", stream)
    return lambda: (stream.getvalue(), [json.loads(line) for line in stream.getvalue().splitlines()])


def test_a_request_is_one_line_with_the_user_the_method_and_the_records(owner, patient, log):
    response = owner.get(f"/api/patients/{patient.pk}/")

    (line,) = log()[1]
    assert list(line) == KEYS
    assert line["time"].endswith("Z")
    assert line["ms"] >= 0
    assert line | {"time": "", "ms": 0} == {
        "time": "",
        "level": "info",
        "logger": "healthcare.requests",
        "event": "request",
        "request_id": response.headers["X-Request-ID"],
        "user": owner.user.pk,
        "method": "GET",
        "route": "/api/patients/{pk}/",
        "ids": [patient.pk],
        "status": 200,
        "ms": 0,
    }


def test_the_ids_of_what_was_created_or_listed_are_logged(owner, patient, doctor, mapping, log):
    other = owner.post("/api/patients/", PATIENT | {"name": "Bob"}).json()["id"]
    owner.get("/api/patients/")
    owner.get(f"/api/mappings/{patient.pk}/")
    owner.delete(f"/api/patients/{other}/")

    assert [line["ids"] for line in log()[1]] == [
        [other],
        [patient.pk, other],
        [patient.pk, doctor.pk],
        [other],
    ]


def test_log_ins_and_refreshes_are_logged_with_the_user(owner, log):
    tokens = ApiClient().post("/api/auth/login/", {"email": owner.user.email, "password": PASSWORD}).json()
    ApiClient().post("/api/auth/refresh/", {"refresh": tokens["refresh"]})

    assert [line["ids"] for line in log()[1]] == [[owner.user.pk], [owner.user.pk]]


def test_every_id_of_a_streamed_list_is_logged_under_its_request(owner, monkeypatch, log):
    monkeypatch.setattr(streaming, "CHUNK_ROWS", 2)
    ids = [owner.post("/api/patients/", PATIENT | {"name": name}).json()["id"] for name in "ABCDE"]

    response = owner.get("/api/patients/")
    response.getvalue()

    lines = [line for line in log()[1] if line["request_id"] == response.headers["X-Request-ID"]]
    assert [line["event"] for line in lines] == ["request", "list continued", "list continued"]
    assert [line["ids"] for line in lines] == [ids[:2], ids[2:4], ids[4:]]


@pytest.mark.parametrize("digits", [30, 5000])
def test_a_number_that_is_too_large_for_an_id_is_not_logged(db, log, digits):
    response = ApiClient().get(f"/admin/patients/patient/{'9' * digits}/change/")

    assert (response.status_code, [line["ids"] for line in log()[1]]) == (302, [[]])


def test_an_unknown_method_is_not_logged(owner, log):
    owner.request("ALICE", "/api/patients/")

    assert log()[1][0]["method"] == "other"


@pytest.mark.parametrize(
    ("method", "path", "status", "route"),
    [
        ("GET", "/api/patients/", 401, "/api/patients/"),
        ("GET", "/api/nothing/", 404, "/api/"),
        ("GET", "/nothing", 404, None),
        ("GET", "/healthz", 200, "/healthz"),
        ("GET", "/admin/any text/", 302, "/admin/{url}"),
    ],
)
def test_an_anonymous_request_is_logged(anonymous, log, method, path, status, route):
    anonymous.request(method, path)

    (line,) = log()[1]
    assert (line["user"], line["status"], line["route"], line["ids"]) == (None, status, route, [])


@pytest.mark.django_db(transaction=True)
def test_no_personal_data_is_in_the_log(owner, patient, doctor, log):
    canary = "canary"
    secret = {
        "name": f"{canary} name",
        "email": f"{canary}@{canary}.example",
        "phone": "5550100999",
        "address": f"{canary} street",
        "password": f"{canary} secret",
    }
    taken = {"old_password": secret["password"], "new_password": secret["password"]}
    nobody = ApiClient(token=f"{canary}.{canary}.{canary}")
    for body in (PATIENT | secret, PATIENT | secret, PATIENT | secret | {"age": canary, "gender": canary}):
        owner.post("/api/patients/", body)
        owner.post("/api/doctors/", DOCTOR | body | {"specialization": canary})
        owner.post("/api/auth/register/", body)
        owner.post("/api/auth/login/", body)
        owner.patch(f"/api/patients/{patient.pk}/", body)
        owner.patch(f"/api/doctors/{doctor.pk}/", body)
        owner.patch("/api/auth/me/", body)
    for path in ("/api/patients/", "/api/doctors/"):
        owner.get(f"{path}?search={canary}&ordering=name")
        owner.get(f"{path}?{canary}={secret['phone']}")
        nobody.get(path)
    for path in (f"/api/{canary}/", f"/{canary}", f"/api/patients/{canary}/", f"/admin/{canary}/"):
        owner.get(path, Cookie=f"sessionid={canary}", Referer=f"https://{canary}", **{"User-Agent": canary})
    for path in ("/api/patients/", "/admin/"):
        owner.get(path, Host=f"{canary}.example", **{"X-Request-ID": canary})
    owner.post(f"/admin/{canary}/", Origin=f"https://{canary}", Referer=f"https://{canary}")
    owner.post("/api/auth/password/", taken)
    owner.post("/api/auth/refresh/", {"refresh": f"{canary}.x.y"})
    owner.post("/api/patients/", raw=f'{{"{canary}": '.encode())
    owner.post("/api/patients/", raw=canary.encode(), content_type=f"text/{canary}")
    owner.request("BREW", "/api/patients/")

    text, lines = log()
    assert {line["event"] for line in lines} == {"request"}
    assert {line["status"] for line in lines} >= {200, 201, 400, 401, 404, 405, 415}
    assert Patient.objects.filter(phone=secret["phone"]).exists()
    assert canary not in text.lower()
    assert not [value for value in (secret["phone"], owner.token, owner.user.email) if value in text]


def test_an_exception_is_logged_with_its_traceback_and_the_request_id(owner, log, monkeypatch):
    def fail(self, request, *args, **kwargs):
        try:
            raise KeyError(request.data["name"])
        except KeyError as error:
            raise ValueError(request.data) from error

    monkeypatch.setattr(PatientViewSet, "create", fail)

    response = owner.post("/api/patients/", PATIENT | {"name": "canary"})

    text, (defect, request) = log()
    assert (response.status_code, response.json()) == (500, {"detail": errors.INTERNAL_ERROR})
    assert (defect["level"], defect["event"], request["status"]) == ("error", "server error", 500)
    assert defect["request_id"] == request["request_id"] == response.headers["X-Request-ID"]
    assert "in fail" in defect["traceback"]
    assert [line for line in defect["traceback"].splitlines() if line[:1].strip()] == ["KeyError", "ValueError"]
    assert "canary" not in text


def test_an_exception_in_a_page_is_logged_with_its_traceback_and_the_request_id(staff, staff_browser, log, monkeypatch):
    def fail(self, request):
        raise KeyError(request.user.email)

    monkeypatch.setattr("patients.admin.PatientAdmin.get_queryset", fail)
    staff_browser.raise_request_exception = False

    response = staff_browser.get("/admin/patients/patient/")

    text, (defect, request) = log()
    assert (response.status_code, defect["event"], request["status"]) == (500, "server error", 500)
    assert defect["request_id"] == request["request_id"] == response.headers["X-Request-ID"]
    assert "in fail" in defect["traceback"]
    assert staff.user.email not in text
