"""Whatever is sent, the answer is JSON that says what is wrong with it, and nothing is stored."""

import json

import pytest
from django.contrib.auth import get_user_model

from conftest import DOCTOR, PATIENT, ApiClient
from doctors.models import Doctor
from healthcare.api import errors
from mappings.models import Mapping
from patients.models import Patient
from patients.views import PatientViewSet

MEGABYTE = 1024 * 1024
JOHN = {"name": "John Doe", "email": "john@example.com", "password": "password123"}
WRITES = ["/api/auth/register/", "/api/patients/", "/api/doctors/", "/api/mappings/"]
RECORDS = ["/api/patients/{}/", "/api/doctors/{}/", "/api/mappings/{}/"]
READS = [*RECORDS, "/api/patients/{}/doctors/", "/api/doctors/{}/patients/", "/api/patients/{}/history/"]
NOT_FOUND = {"detail": errors.NOT_FOUND}


def stored():
    return [model.objects.count() for model in (get_user_model(), Patient, Doctor, Mapping)]


def assert_json(response, status):
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert isinstance(json.loads(response.content), dict)


# Bodies


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "The body is not JSON"),
        (b"{} {}", "The body is not JSON"),
        (b"{'name': 1}", "The body is not JSON"),
        (b'{"name": "\x00"}', "The body is not JSON"),
        (b'{"name": "\xff"}', "The body is not UTF-8."),
        (json.dumps(JOHN).encode("utf-16"), "The body is not UTF-8."),
        (b"[" * 33, "The body is nested too deeply: at most 32 levels are allowed."),
        (b'{"x": ' + b"[" * 32 + b"]" * 32 + b"}", "The body is nested too deeply: at most 32 levels are allowed."),
        (b"[" * 1_000, "The body is nested too deeply: at most 32 levels are allowed."),
        (b"[" * 200_000, "The body is nested too deeply: at most 32 levels are allowed."),
        (b'{"name":' * 100_000, "The body is nested too deeply: at most 32 levels are allowed."),
        (
            b'{"name": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
            "The body is nested too deeply: at most 32 levels are allowed.",
        ),
        (b'{"name": "a", "name": "b"}', "The body is not acceptable JSON: a key stands twice in one object."),
        (b'{"x": {"y": 1, "y": 1}}', "The body is not acceptable JSON: a key stands twice in one object."),
        (b'{"age": NaN}', "The body is not acceptable JSON: NaN is not a JSON number."),
        (b'{"age": -Infinity}', "The body is not acceptable JSON: -Infinity is not a JSON number."),
        (b'{"age": ' + b"1" * 5_000 + b"}", "The body is not acceptable JSON: a number has too many digits."),
    ],
    ids=range(17),
)
def test_a_body_that_is_no_sound_json_is_refused(owner, path, raw, message):
    before = stored()

    response = owner.post(path, raw=raw)

    assert_json(response, 400)
    assert list(response.json()) == ["detail"]
    assert response.json()["detail"].startswith(message)
    assert stored() == before


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("body", [[], [JOHN], "text", 7, True, None])
def test_a_body_that_is_no_object_is_refused(owner, path, body):
    before = stored()

    response = owner.post(path, raw=json.dumps(body).encode())

    assert_json(response, 400)
    assert response.json().keys() & {"non_field_errors", "name", "patient"}
    assert stored() == before


@pytest.mark.parametrize(
    "age", ["1" * 400, "2147483648", "1e400", "1e2", "30.0", "3.7", "true", '"1_0"', '"٣"', '" 30"', "[30]", "{}", '""']
)
def test_an_age_that_is_no_whole_number_of_years_is_refused(owner, age):
    response = owner.post("/api/patients/", raw=json.dumps(PATIENT | {"age": "AGE"}).replace('"AGE"', age).encode())

    assert_json(response, 400)
    assert list(response.json()) == ["age"]
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    "reference",
    ["1" * 400, "-" + "1" * 400, str(2**63), "0", "-1", "1e400", "1.5", "{}.0", "true", '"٣"', '"{}_0"', "[{}]"],
)
@pytest.mark.parametrize("field", ["patient", "doctor"])
def test_a_reference_that_is_no_id_is_refused(owner, patient, doctor, field, reference):
    record = {"patient": patient, "doctor": doctor}[field]
    body = json.dumps({"patient": patient.pk, "doctor": doctor.pk, field: "ID"})

    response = owner.post("/api/mappings/", raw=body.replace('"ID"', reference.replace("{}", str(record.pk))).encode())

    assert_json(response, 400)
    assert list(response.json()) == [field]
    assert not Mapping.objects.exists()


@pytest.mark.parametrize(
    ("extra", "status"), [(0, 201), (1, 413), (MEGABYTE, 413)], ids=["a megabyte", "a byte more", "two"]
)
def test_a_body_has_at_most_a_megabyte(owner, extra, status):
    response = owner.post("/api/patients/", raw=json.dumps(PATIENT).encode().ljust(MEGABYTE + extra))

    assert_json(response, status)
    assert Patient.objects.count() == (status == 201)
    if status == 413:
        assert response.json() == {"detail": "The body is larger than 1048576 bytes."}


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "nonsense",
        "*/*",
        "application/*",
    ],
)
def test_a_body_of_another_type_is_refused(owner, path, content_type):
    before = stored()

    response = owner.post(path, raw=b"name=John", content_type=content_type)

    assert_json(response, 415)
    assert response.json() == {"detail": f'Unsupported media type "{content_type}" in request. {errors.SEND_JSON}'}
    assert stored() == before


# Paths


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    "pk", ["0", "-1", "abc", 10**30, 10**18, "9" * 18, "%00", "1%20", "%201", "٣", "1_0", "1.0", "%ff"]
)
def test_what_is_no_id_is_not_found(owner, path, pk):
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
    record = f"/api/patients/{created.json()['id']}"
    replaced = owner.put(record, PATIENT | {"age": 31})
    changed = owner.patch(record, {"name": "Alice"})
    read, listed = owner.get(record), owner.get("/api/patients?ordering=id")
    deleted = owner.delete(record)

    responses = [created, replaced, changed, read, listed, deleted]
    assert [response.status_code for response in responses] == [201, 200, 200, 200, 200, 200]
    assert (read.json()["age"], read.json()["name"]) == (31, "Alice")
    assert listed.json() == [read.json()]
    assert not Patient.objects.exists()


# Query strings


@pytest.mark.parametrize("path", ["/api/patients/", "/api/doctors/", "/api/mappings/", "/api/auth/me/", *READS])
@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("search=%00", {"detail": "The query string holds a NUL character."}),
        ("search=%ff", {"detail": "The query string is not UTF-8."}),
        ("%ed%a0%80=1", {"detail": "The query string is not UTF-8."}),
        ("colour=red", {"colour": ["Unknown query parameter. "]}),
        ("colour", {"colour": ["Unknown query parameter. "]}),
        ("Ordering=id", {"Ordering": ["Unknown query parameter. "]}),
    ],
)
def test_a_query_string_that_is_not_understood_is_refused(owner, mapping, path, query, problems):
    record = mapping.doctor if "doctors/{}" in path else mapping.patient

    response = owner.get(f"{path.format(record.pk)}?{query}")

    if path == "/api/mappings/{}/":
        assert owner.get(path.format(record.pk)).status_code == 200
    assert_json(response, 400)
    assert response.json().keys() == problems.keys()
    for field, expected in problems.items():
        assert str(response.json()[field]).startswith(str(expected).rstrip("']"))


@pytest.mark.parametrize("path", WRITES)
def test_a_write_takes_no_query(owner, path):
    before = stored()

    response = owner.post(f"{path}?dry_run=1", {**JOHN, **PATIENT, **DOCTOR})

    assert (response.status_code, list(response.json())) == (400, ["dry_run"])
    assert stored() == before


# Verbs, hosts, headers


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
def test_an_unknown_verb_is_refused_with_those_that_are_known(owner, patient, doctor, method, path, allowed):
    response = owner.request(method, path.format(doctor.pk if "doctors/{" in path else patient.pk))

    assert_json(response, 405)
    assert response.json() == {"detail": f'Method "{method}" not allowed. Allowed here: {response.headers["Allow"]}.'}
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
def test_every_answer_is_uncached_json_with_an_id_also_for_a_browser(
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
def test_whatever_is_accepted_the_answer_is_json(accept):
    response = ApiClient().get("/api/auth/me/", Accept=accept)

    assert_json(response, 401)
