"""Bodies that are not a valid JSON object, or too large, are refused, and nothing is stored."""

import json
import time

import pytest

from conftest import PATIENT
from healthcare.api import errors
from healthcare.tests.api.bodies import JOHN, MEGABYTE, WRITES, assert_json, stored
from healthcare.tests.api.test_paths import PATHS
from mappings.models import Mapping
from patients.models import Patient


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "The body is not JSON"),
        (b"{} {}", "The body is not JSON"),
        (b"{'name': 1}", "The body is not JSON"),
        (b'{"name": "\x00"}', "The body is not JSON"),
        (b"\xef\xbb\xbf{}", "The body is not JSON: Unexpected UTF-8 BOM"),
        (b'{"name": "\xff"}', "The body is not UTF-8."),
        (json.dumps(JOHN).encode("utf-16"), "The body is not UTF-8."),
        (b"[" * 33, "The body is nested too deeply: at most 32 levels are allowed."),
        (b'{"x": ' + b"[" * 32 + b"]" * 32 + b"}", "The body is nested too deeply: at most 32 levels are allowed."),
        (b"[" * 1_000, "The body is nested too deeply: at most 32 levels are allowed."),
        (b'{"name": "a", "name": "b"}', "The body is not acceptable JSON: an object has a duplicate key."),
        (b'{"x": {"y": 1, "y": 1}}', "The body is not acceptable JSON: an object has a duplicate key."),
        (b'{"age": NaN}', "The body is not acceptable JSON: NaN is not a JSON number."),
        (b'{"age": -Infinity}', "The body is not acceptable JSON: -Infinity is not a JSON number."),
        (b'{"age": ' + b"1" * 5_000 + b"}", "The body is not acceptable JSON: a number has too many digits."),
    ],
    ids=range(15),
)
def test_a_body_that_is_not_valid_json_is_refused(owner, path, raw, message):
    before = stored()

    response = owner.post(path, raw=raw)

    assert_json(response, 400)
    assert list(response.json()) == ["detail"]
    assert response.json()["detail"].startswith(message)
    assert stored() == before


@pytest.mark.parametrize("path", WRITES[1:])
@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 200_000,
        b'{"name":' * 100_000,
        b'{"name": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"name": [' + b",".join([b"[" * 30 + b"]" * 30] * 17_000) + b"]}",
        b'{"name": [' + b",".join([b"{}"] * 1_000) + b"]}",
    ],
    ids=range(5),
)
def test_a_body_with_too_many_arrays_and_objects_is_refused(owner, path, raw):
    before = stored()

    response = owner.post(path, raw=raw)

    assert_json(response, 400)
    assert response.json() == {"detail": "The body has too many arrays and objects: at most 1000 are allowed."}
    assert stored() == before


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "handling=strict"}])
@pytest.mark.parametrize(
    "raw", [{str(key): 0 for key in range(1_001)}, {"name": {str(key): 0 for key in range(1_001)}}]
)
def test_an_object_with_too_many_keys_is_refused(owner, raw, prefer):
    response = owner.post("/api/patients/", raw=json.dumps(raw).encode(), headers=prefer)

    assert_json(response, 400)
    assert response.json() == {"detail": "The body has an object with too many keys: at most 1000 are allowed."}


@pytest.mark.parametrize(
    "unknown", [[{}] * 998, dict.fromkeys(map(str, range(1_000)))], ids=["1,000 arrays and objects", "1,000 keys"]
)
def test_as_many_arrays_objects_and_keys_as_are_allowed_are_ignored(owner, unknown):
    assert owner.post("/api/patients/", PATIENT | {"unknown": unknown}).status_code == 201


def test_brackets_in_text_are_not_counted(owner):
    address = "[{" * 200

    response = owner.post("/api/patients/", PATIENT | {"address": address, "unknown": address * 10})

    assert response.json()["address"] == address


def test_an_unterminated_string_is_parsed_in_linear_time(owner):
    started = time.monotonic()

    response = owner.post("/api/patients/", raw=b"[" * 33 + b'"' + b'\\"' * 500_000)

    assert_json(response, 400)
    assert response.json() == {"detail": "The body is nested too deeply: at most 32 levels are allowed."}
    # Restarting at each quote would take minutes.
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("body", [[], [JOHN], "text", 7, True, None])
def test_a_body_that_is_no_object_is_refused(owner, path, body):
    before = stored()

    response = owner.post(path, raw=json.dumps(body).encode())

    assert_json(response, 400)
    assert response.json().keys() & {"non_field_errors", "name", "patient"}
    assert stored() == before


@pytest.mark.parametrize(
    "age", ["1" * 400, "2147483648", "1e400", "3.7", "true", '"1_0"', '"٣"', '" 30"', "[30]", "{}", '""']
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


def test_a_body_in_chunks_is_refused_and_not_taken_for_an_empty_one(owner, patient):
    response = owner.patch(f"/api/patients/{patient.pk}/", {}, transfer_encoding="chunked", content_length="")

    assert (response.status_code, response.json()) == (411, {"detail": errors.LENGTH_REQUIRED})


@pytest.mark.parametrize(
    ("extra", "status"), [(0, 201), (1, 413), (MEGABYTE, 413)], ids=["a megabyte", "a byte more", "two"]
)
def test_a_body_has_at_most_a_megabyte(owner, extra, status):
    response = owner.post("/api/patients/", raw=json.dumps(PATIENT).encode().ljust(MEGABYTE + extra))

    assert_json(response, status)
    assert Patient.objects.count() == (status == 201)
    if status == 413:
        assert response.json() == {"detail": "The body is larger than 1048576 bytes."}


@pytest.mark.parametrize("path", [path for _, path in PATHS if path.startswith("/api/auth/")])
def test_a_body_about_accounts_has_at_most_16_kilobytes(owner, path):
    method = "PATCH" if path == "/api/auth/me/" else "POST"

    parsed = owner.request(method, path, raw=b"[]".ljust(16 * 1024))
    refused = owner.request(method, path, raw=b"[]".ljust(16 * 1024 + 1))

    assert parsed.status_code == 400
    assert (refused.status_code, refused.json()) == (413, {"detail": "The body is larger than 16384 bytes."})


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
