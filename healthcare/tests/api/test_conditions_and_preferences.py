"""If-Match with weak tags, and Prefer: handling=strict."""

import pytest

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from patients.models import Patient


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_weak_tag_matches_the_strong_one_in_if_match(owner, patient, method):
    path = f"/api/patients/{patient.pk}/"
    tag = owner.get(path).headers["ETag"]

    stale = owner.request(method, path, {**PATIENT, "age": 40}, **{"If-Match": 'W/"other"'})
    response = owner.request(method, path, {**PATIENT, "age": 40}, **{"If-Match": f'"other", W/{tag}'})

    assert (stale.status_code, response.status_code) == (412, 200)
    assert list(Patient.objects.values_list("age", flat=True)) == ([] if method == "DELETE" else [40])


def test_a_weak_tag_matches_in_if_none_match(owner, patient):
    path = f"/api/patients/{patient.pk}/"
    tag = owner.get(path).headers["ETag"]

    assert owner.get(path, **{"If-None-Match": f"W/{tag}"}).status_code == 304


@pytest.mark.parametrize("prefer", ["handling=strict", 'respond-async, Handling = "Strict"; x=1'])
@pytest.mark.parametrize(("path", "body"), [("/api/patients/", PATIENT), ("/api/doctors/", DOCTOR)])
def test_a_strict_request_refuses_unknown_keys_by_name(owner, path, body, prefer):
    response = owner.post(path, {**body, "adress": "x", "id": 9, "created_at": None}, Prefer=prefer)

    assert (response.status_code, list(response.json())) == (400, ["adress"])
    assert response.json()["adress"][0].startswith("Unknown field. Allowed: id, name, age,")
    assert not Patient.objects.exists()
    assert not Doctor.objects.exists()


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_strict_change_refuses_unknown_keys_by_name(owner, patient, method):
    response = owner.request(method, f"/api/patients/{patient.pk}/", {**PATIENT, "Age": 3}, Prefer="handling=strict")

    assert (response.status_code, list(response.json())) == (400, ["Age"])
    assert Patient.objects.get().age == PATIENT["age"]


@pytest.mark.parametrize("prefer", ["", "handling=lenient", "return=minimal"])
def test_other_requests_ignore_unknown_keys(owner, prefer):
    response = owner.post("/api/patients/", {**PATIENT, "adress": "x"}, Prefer=prefer)

    assert response.status_code == 201
