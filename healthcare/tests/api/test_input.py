"""Invalid requests of any kind get a JSON response with the reason, and nothing is stored."""

import pytest
from django.contrib.auth import get_user_model

from conftest import DOCTOR, PATIENT, ApiClient
from doctors.models import Doctor
from healthcare.api import errors
from healthcare.tests.api.bodies import JOHN, MEGABYTE, WRITES, assert_json, stored
from patients.models import Patient
from patients.views import PatientViewSet

RECORDS = ["/api/patients/{}/", "/api/doctors/{}/", "/api/mappings/{}/"]
READS = [*RECORDS, "/api/patients/{}/doctors/", "/api/doctors/{}/patients/", "/api/patients/{}/history/"]
NOT_FOUND = {"detail": errors.NOT_FOUND}


# Paths


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    "pk", ["0", "-1", "abc", 10**30, 10**18, "9" * 18, "%00", "1%20", "%201", "٣", "1_0", "1.0", "%ff"]
)
def test_a_path_with_an_invalid_id_is_not_found(owner, path, pk):
    Patient.objects.create(pk=3, user=owner.user, **PATIENT)
    Doctor.objects.create(pk=3, user=owner.user, **DOCTOR)

    response = owner.get(path.format(pk))

    assert_json(response, 404)
    assert response.json() == NOT_FOUND


@pytest.mark.parametrize(
    "path", ["/api/nothing/", "/api/", "/api/patients/1/nothing/", "/api/auth/", "/api//patients/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_an_unknown_path_is_not_found_by_any_verb(owner, path, method):
    response = owner.request(method, path, {})

    assert_json(response, 404)
    assert response.json() == NOT_FOUND


def test_a_path_without_its_slash_is_the_same_path(owner):
    created = owner.post("/api/patients", PATIENT)
    assert created.headers["Location"] == f"/api/patients/{created.json()['id']}/"
    record = created.headers["Location"].rstrip("/")
    replaced = owner.put(record, PATIENT | {"age": 31})
    changed = owner.patch(record, {"name": "Alice"})
    read, listed = owner.get(record), owner.get("/api/patients?ordering=id")
    deleted = owner.delete(record)

    responses = [created, replaced, changed, read, listed, deleted]
    assert [response.status_code for response in responses] == [201, 200, 200, 200, 200, 200]
    assert (read.json()["age"], read.json()["name"]) == (31, "Alice")
    assert listed.json() == [read.json()]
    assert not Patient.objects.exists()


# Text


@pytest.mark.parametrize(
    ("field", "limit"), [("name", 100), ("phone", 10_000), ("address", 1_000), ("email", 254), ("gender", 7)]
)
def test_very_long_text_is_refused_before_it_is_validated(owner, field, limit):
    response = owner.post("/api/patients/", PATIENT | {field: "\x01" * 10_001})

    assert_json(response, 400)
    assert response.json() == {field: [f"Ensure this field has no more than {limit} characters."]}


# Query strings


@pytest.mark.parametrize("path", ["/api/patients/", "/api/doctors/", "/api/mappings/", "/api/auth/me/", *READS])
@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("search=%00", {"detail": "The query string contains a NUL character."}),
        ("search=%ff", {"detail": "The query string is not UTF-8."}),
        ("%ed%a0%80=1", {"detail": "The query string is not UTF-8."}),
        ("colour=red", {"colour": ["Unknown query parameter. "]}),
        ("colour", {"colour": ["Unknown query parameter. "]}),
        ("Ordering=id", {"Ordering": ["Unknown query parameter. "]}),
    ],
)
def test_an_invalid_query_string_is_refused(owner, mapping, path, query, problems):
    record = mapping.doctor if "doctors/{}" in path else mapping.patient

    response = owner.get(f"{path.format(record.pk)}?{query}")

    if path == "/api/mappings/{}/":
        assert owner.get(path.format(record.pk)).status_code == 200
    assert_json(response, 400)
    assert response.json().keys() == problems.keys()
    for field, expected in problems.items():
        assert str(response.json()[field]).startswith(str(expected).rstrip("']"))


@pytest.mark.parametrize("path", WRITES)
def test_a_write_accepts_no_query_parameters(owner, path):
    before = stored()

    response = owner.post(f"{path}?dry_run=1", {**JOHN, **PATIENT, **DOCTOR})

    assert (response.status_code, list(response.json())) == (400, ["dry_run"])
    assert stored() == before


# Methods, hosts, headers


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/auth/register/", {"POST"}),
        ("/api/auth/login/", {"POST"}),
        ("/api/patients/", {"GET", "HEAD", "POST"}),
        ("/api/patients/{}/", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("/api/doctors/{}/", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("/api/mappings/{}/", {"GET", "HEAD", "DELETE"}),
        ("/api/patients/{}/doctors/", {"GET", "HEAD"}),
        ("/api/patients/{}/history/", {"GET", "HEAD"}),
    ],
)
@pytest.mark.parametrize("method", ["BREW", "TRACE", "OPTIONS"])
def test_an_unknown_method_is_refused_with_the_known_ones(owner, patient, doctor, method, path, allowed):
    response = owner.request(method, path.format(doctor.pk if "doctors/{" in path else patient.pk))

    assert_json(response, 405)
    assert response.json() == {"detail": f'Method "{method}" not allowed. Allowed: {response.headers["Allow"]}.'}
    assert set(response.headers["Allow"].split(", ")) - {"OPTIONS"} == allowed


@pytest.mark.parametrize("path", ["/api/patients/", "/api/patients/{}/", "/api/auth/register/"])
def test_allow_names_no_verb_that_is_refused(owner, patient, path):
    response = owner.request("OPTIONS", path.format(patient.pk))

    assert response.status_code == 405
    assert "OPTIONS" not in response.headers["Allow"]


@pytest.mark.parametrize("host", ["evil.example", "a b", "127.0.0.1:x", "", "x" * 300])
@pytest.mark.parametrize("path", ["/api/patients/", "/api/auth/register/", "/api/nothing/"])
def test_a_foreign_host_is_refused_in_json(owner, path, host):
    response = owner.post(path, JOHN, Host=host)

    assert_json(response, 400)
    assert list(response.json()) == ["detail"]
    assert get_user_model().objects.count() == 1


FAULTS = [
    (200, "GET", "/api/patients/", {}),
    (400, "POST", "/api/patients/", {"raw": b"{"}),
    (400, "GET", "/api/patients/", {"Host": "evil.example"}),
    (401, "GET", "/api/patients/", {"Authorization": "Bearer x"}),
    (404, "GET", "/api/nothing/", {}),
    (404, "GET", "/api/patients/0/", {}),
    (405, "DELETE", "/api/patients/", {}),
    (413, "POST", "/api/patients/", {"raw": b" " * 2 * MEGABYTE}),
    (415, "POST", "/api/patients/", {"raw": b"x", "content_type": "text/html"}),
    (500, "PUT", "/api/patients/1/", {}),
]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(("status", "method", "path", "sent"), FAULTS, ids=range(len(FAULTS)))
def test_every_response_is_uncached_json_with_a_request_id(
    owner, settings, monkeypatch, debug, status, method, path, sent
):
    settings.DEBUG = debug
    monkeypatch.setattr(PatientViewSet, "update", lambda *args, **kwargs: 1 / 0)

    sent = sent | {"Accept": "text/html", "X-Request-ID": "mine"}
    first, second = (owner.request(method, path, **sent) for _ in range(2))

    assert (first.status_code, first.headers["Content-Type"]) == (status, "application/json")
    assert b"<" not in first.content
    assert b"Error" not in first.content
    assert first.headers["Cache-Control"] == "no-store"
    assert len({"mine", first.headers["X-Request-ID"], second.headers["X-Request-ID"]}) == 3


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "*/*;q=0"])
def test_the_response_is_json_for_every_accept_header(accept):
    response = ApiClient().get("/api/auth/me/", Accept=accept)

    assert_json(response, 401)
