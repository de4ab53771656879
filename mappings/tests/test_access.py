"""Permissions of every endpoint that needs a login, for an anonymous client, the owner, a stranger and staff."""

import pytest
from django.urls import get_resolver, resolve

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from healthcare.api import errors
from mappings.models import Mapping
from patients.models import Patient

CLIENTS = ("anonymous", "owner", "stranger", "staff")
NEW_PATIENT = {**PATIENT, "name": "Bob"}
NEW_DOCTOR = {**DOCTOR, "email": "new@example.com"}
CSV = "name,age,gender\nBob,30,male"
PAIR = {"patient": "{patient}", "doctor": "{free}"}

# fmt: off
TABLE = [
    # verb, path, body, then the status for:           anonymous, owner, stranger, staff
    ("GET",    "/api/patients/", None,                           401, 200, 200, 200),
    ("POST",   "/api/patients/", NEW_PATIENT,                    401, 201, 201, 201),
    ("POST",   "/api/patients/import/", CSV,                     401, 200, 200, 200),
    ("GET",    "/api/patients/{patient}/", None,                 401, 200, 404, 404),
    ("HEAD",   "/api/patients/{patient}/", None,                 401, 200, 404, 404),
    ("PUT",    "/api/patients/{patient}/", NEW_PATIENT,          401, 200, 404, 404),
    ("PUT",    "/api/patients/{patient}/", {"age": -1},          401, 400, 404, 404),
    ("PATCH",  "/api/patients/{patient}/", {"age": 31},          401, 200, 404, 404),
    ("DELETE", "/api/patients/{patient}/", None,                 401, 200, 404, 404),
    ("GET",    "/api/patients/{patient}/history/", None,         401, 200, 404, 404),
    ("GET",    "/api/patients/{patient}/doctors/", None,         401, 200, 404, 404),
    ("GET",    "/api/doctors/", None,                            401, 200, 200, 200),
    ("POST",   "/api/doctors/", NEW_DOCTOR,                      401, 201, 201, 201),
    ("GET",    "/api/doctors/{doctor}/", None,                   401, 200, 200, 200),
    ("PUT",    "/api/doctors/{doctor}/", NEW_DOCTOR,             401, 200, 403, 200),
    ("PATCH",  "/api/doctors/{doctor}/", {"age": 31},            401, 200, 403, 200),
    ("DELETE", "/api/doctors/{doctor}/", None,                   401, 200, 403, 409),
    ("DELETE", "/api/doctors/{free}/", None,                     401, 200, 403, 200),
    ("GET",    "/api/doctors/{doctor}/history/", None,           401, 200, 200, 200),
    ("GET",    "/api/doctors/{doctor}/patients/", None,          401, 200, 200, 200),
    ("GET",    "/api/mappings/", None,                           401, 200, 200, 200),
    ("GET",    "/api/mappings/?patient={patient}", None,         401, 200, 200, 200),
    ("POST",   "/api/mappings/", PAIR,                           401, 201, 400, 400),
    ("GET",    "/api/mappings/{patient}/", None,                 401, 200, 404, 404),
    ("DELETE", "/api/mappings/{mapping}/", None,                 401, 200, 404, 404),
]
# fmt: on
REQUESTS = [row[:3] for row in TABLE]
OF_THE_OWNER = [row[:3] for row in TABLE if "{patient}" in f"{row[1:3]}" or "{mapping}" in row[1]]


@pytest.fixture
def ids(owner):
    """The ids of the owner's patient, doctor and mapping, and of an unassigned doctor; all are different."""
    numbers = {"patient": 7_000_001, "doctor": 7_000_002, "free": 7_000_003, "mapping": 7_000_004}
    patient = Patient.objects.create(pk=numbers["patient"], user=owner.user, **PATIENT)
    doctor = Doctor.objects.create(pk=numbers["doctor"], user=owner.user, **DOCTOR)
    Doctor.objects.create(pk=numbers["free"], user=owner.user, **{**DOCTOR, "email": "free@example.com"})
    Mapping.objects.create(pk=numbers["mapping"], patient=patient, doctor=doctor, user=owner.user)
    return numbers


def ask(client, ids, method, path, body):
    """Make the request of a row of the table, with names replaced by ids."""
    if isinstance(body, str):
        return client.request(method, path, raw=body.encode(), content_type="text/csv")
    filled = body and {key: value.format(**ids) if isinstance(value, str) else value for key, value in body.items()}
    return client.request(method, path.format(**ids), filled)


@pytest.mark.parametrize("who", CLIENTS)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]} {row[1]}")
def test_who_may_do_what(request, ids, row, who):
    client, expected = request.getfixturevalue(who), row[3 + CLIENTS.index(who)]

    response = ask(client, ids, *row[:3])

    assert response.status_code == expected, response.content
    if expected == 401:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert response.content == b"" if row[0] == "HEAD" else list(response.json()) == ["detail"]


@pytest.mark.parametrize("who", ["anonymous", "stranger"])
@pytest.mark.parametrize(("method", "path", "body"), [row for row in REQUESTS if row[0] in ("PUT", "PATCH", "DELETE")])
def test_a_refused_request_changes_nothing(request, ids, method, path, body, who):
    models = (Patient, Doctor, Mapping, Patient.history, Doctor.history, Mapping.history)
    before = [list(getattr(model, "objects", model).values()) for model in models]

    ask(request.getfixturevalue(who), ids, method, path, body)

    assert [list(getattr(model, "objects", model).values()) for model in models] == before


@pytest.mark.parametrize("who", ["stranger", "staff"])
@pytest.mark.parametrize(("method", "path", "body"), OF_THE_OWNER)
def test_another_users_record_looks_like_one_that_never_existed(request, ids, method, path, body, who):
    client = request.getfixturevalue(who)

    response = ask(client, ids, method, path, body)

    for model in (Mapping, Patient):
        model.objects.all().delete()
        model.history.all().delete()
    nowhere = ask(client, ids, method, path, body)
    headers = [{**answer.headers, "X-Request-ID": None} for answer in (response, nowhere)]
    assert (response.status_code, response.content) == (nowhere.status_code, nowhere.content)
    assert headers[0] == headers[1]


@pytest.mark.parametrize("number", ["0", "-1", "abc", "1" * 31, "%00", "1%20", "%D9%A3", "1_0", "1.0", "+1"])
@pytest.mark.parametrize("path", sorted({row[1] for row in TABLE if row[1].endswith("}/") or row[1].count("/") == 5}))
def test_an_invalid_id_is_not_found(owner, ids, path, number):
    response = owner.get(path.format(**dict.fromkeys(ids, number)))

    assert response.status_code == 404
    assert response.json() == {"detail": errors.NOT_FOUND}


def test_the_table_has_every_endpoint_that_needs_a_login():
    ids = dict.fromkeys(("patient", "doctor", "free", "mapping"), 1)
    held = {resolve(row[1].format(**ids).partition("?")[0]).url_name for row in TABLE}
    names = {key for key in get_resolver().reverse_dict if isinstance(key, str)}

    records = {name for name in names if name.split("-")[0] in ("patients", "doctors", "mappings")}

    assert held == records
