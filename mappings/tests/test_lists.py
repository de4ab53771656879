"""Mappings, the doctors of a patient and the patients of a doctor as lists."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from conftest import DOCTOR, PATIENT, timestamp
from doctors.models import Doctor
from healthcare.api import errors
from mappings.models import Mapping
from patients.models import Patient

MAPPINGS = reverse("mappings-list")
NOWHERE = 10**9
NOT_FOUND = {"detail": errors.NOT_FOUND}


def path_of(number):
    return reverse("mappings-detail", args=[number])


def test_a_list_holds_the_mappings_of_the_callers_patients(owner, mapping, other_mapping):
    response = owner.get(MAPPINGS)

    expected = {"id": mapping.pk, "assigned_at": timestamp(mapping.assigned_at), "patient": mapping.patient_id}
    assert response.status_code == 200
    assert response.json() == [{**expected, "doctor": mapping.doctor_id, "user": owner.user.pk}]


def test_a_list_can_be_filtered_ordered_and_paged(owner, mapping, other_doctor, other_mapping):
    sibling = Patient.objects.create(user=owner.user, **{**PATIENT, "name": "Bob"})
    for patient in (mapping.patient, sibling):
        Mapping.objects.create(patient=patient, doctor=other_doctor, user=owner.user)
    first, second, third = (one.pk for one in Mapping.objects.filter(user=owner.user))

    def ids(query):
        return [row["id"] for row in owner.get(f"{MAPPINGS}?{query}").json()]

    assert ids("") == [first, second, third]
    assert ids(f"patient={mapping.patient_id}") == [first, second]
    assert ids(f"doctor={other_doctor.pk}&ordering=-id") == [third, second]
    assert ids(f"doctor={other_doctor.pk}&patient={sibling.pk}") == [third]
    assert ids(f"patient={other_mapping.patient_id}") == ids(f"patient={NOWHERE}") == ids(f"doctor={NOWHERE}") == []
    page = owner.get(f"{MAPPINGS}?limit=2&ordering=-id")
    rest = owner.get(page.headers["Link"][1:].partition(">")[0])
    assert [row["id"] for row in page.json() + rest.json()] == [third, second, first]


@pytest.mark.parametrize("ordering", ["assigned_at", "-assigned_at"])
def test_mappings_are_ordered_and_paged_by_the_time_of_assignment(owner, patient, other_mapping, ordering):
    # The order of the times is not that of the ids, and two of them are equal.
    for number, minute in enumerate([3, 1, 2, 1, 0]):
        doctor = Doctor.objects.create(user=owner.user, **DOCTOR | {"email": f"d{number}@example.com"})
        assigned_at = datetime(2030, 1, 2, 9, minute, tzinfo=UTC)
        Mapping.objects.create(patient=patient, doctor=doctor, user=owner.user, assigned_at=assigned_at)
    mappings = Mapping.objects.filter(patient=patient)
    expected = sorted(mappings, key=lambda row: (row.assigned_at, row.pk), reverse=ordering.startswith("-"))

    whole = owner.get(f"{MAPPINGS}?ordering={ordering}").json()
    page = owner.get(f"{MAPPINGS}?ordering={ordering}&limit=2")
    paged = page.json()
    while "Link" in page.headers:
        page = owner.get(page.headers["Link"][1:].partition(">")[0])
        paged += page.json()

    assert [row["id"] for row in whole] == [row.pk for row in expected]
    assert [row["assigned_at"] for row in whole] == [timestamp(row.assigned_at) for row in expected]
    assert paged == whole


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("patient=abc", "patient"),
        ("patient=1.0", "patient"),
        ("doctor=%D9%A3", "doctor"),
        ("ordering=patient", "ordering"),
        ("limit=1001", "limit"),
        ("limit=1&cursor=x", "cursor"),
        ("search=x", "search"),
        ("user=1", "user"),
    ],
)
def test_a_bad_query_is_refused_on_its_parameter(owner, mapping, query, field):
    response = owner.get(f"{MAPPINGS}?{query}")

    assert (response.status_code, list(response.json())) == (400, [field])


def test_the_doctors_of_a_patient_come_with_their_assignment(owner, mapping, other_doctor, other_mapping):
    later = Mapping.objects.create(patient=mapping.patient, doctor=other_doctor, user=owner.user)

    response = owner.get(f"/api/mappings/{mapping.patient_id}/")

    expected = [
        {
            **owner.get(reverse("doctors-detail", args=[one.doctor_id])).json(),
            "mapping_id": one.pk,
            "assigned_at": timestamp(one.assigned_at),
        }
        for one in (mapping, later)
    ]
    assert (response.status_code, response.json()) == (200, expected)
    assert [list(row) for row in response.json()] == [list(row) for row in expected]
    assert owner.get(f"/api/patients/{mapping.patient_id}/doctors/").content == response.content


def test_a_patient_without_a_doctor_has_an_empty_array(owner, patient):
    for path in (path_of(patient.pk), reverse("patients-doctors", args=[patient.pk])):
        response = owner.get(path)

        assert (response.status_code, response.content) == (200, b"[]")


def test_the_patients_of_a_doctor_are_the_callers_own(owner, stranger, mapping, other_mapping, other_doctor):
    path = f"/api/doctors/{mapping.doctor_id}/patients/"

    answers = [client.get(path) for client in (owner, stranger)]

    expected = [client.get(reverse("patients-list")).content for client in (owner, stranger)]
    assert [answer.content for answer in answers] == expected
    assert [len(answer.json()) for answer in answers] == [1, 1]
    assert owner.get(reverse("doctors-patients", args=[other_doctor.pk])).content == b"[]"


@pytest.mark.parametrize("name", ["mappings-detail", "patients-doctors", "doctors-patients"])
def test_a_list_of_a_record_that_does_not_exist_is_not_found(owner, mapping, name):
    response = owner.get(reverse(name, args=[NOWHERE]))

    assert (response.status_code, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("name", ["mappings-detail", "patients-doctors", "doctors-patients"])
def test_the_lists_of_one_record_refuse_an_unknown_parameter(owner, mapping, name):
    record = mapping.doctor_id if name == "doctors-patients" else mapping.patient_id

    response = owner.get(reverse(name, args=[record]) + "?page=2")

    assert (response.status_code, list(response.json())) == (400, ["page"])


def test_a_list_costs_two_queries_however_many_rows_it_has(owner, mapping, django_assert_num_queries):
    lists = [MAPPINGS, f"{MAPPINGS}?patient={mapping.patient_id}&limit=1", path_of(mapping.patient_id)]
    for number in range(5):
        with django_assert_num_queries(len(lists) * 2):
            for path in lists:
                owner.get(path)
        doctor = Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": f"d{number}@example.com"})
        Mapping.objects.create(patient=mapping.patient, doctor=doctor, user=owner.user)


def test_the_patients_of_a_doctor_cost_three_queries(owner, mapping, django_assert_num_queries):
    with django_assert_num_queries(3):
        owner.get(reverse("doctors-patients", args=[mapping.doctor_id]))
