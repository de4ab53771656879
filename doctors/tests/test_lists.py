"""Lists of doctors: ordering, filters, search, pages and streaming."""

import json

import pytest
from django.urls import reverse

from conftest import DOCTOR
from doctors.models import Doctor
from healthcare.api import streaming

DOCTORS = reverse("doctors-list")


@pytest.fixture
def directory(owner):
    """Doctors with ages, some of them unknown."""
    for number, age in enumerate([40, None, 30, None, 40, 50]):
        specialization = ["Surgeon", "SURGEON", "Généraliste"][number % 3]
        fields = {"name": f"Doctor {number}", "email": f"d{number}@example.com", "specialization": specialization}
        Doctor.objects.create(user=owner.user, **{**DOCTOR, **fields, "age": age, "gender": "Male" if age else ""})


def numbers(response):
    return [int(row["email"][1]) for row in json.loads(response.getvalue())]


@pytest.mark.parametrize(("ordering", "expected"), [("age", [2, 0, 4, 5, 1, 3]), ("-age", [5, 4, 0, 2, 3, 1])])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_doctors_without_an_age_come_last_page_by_page_and_streamed(
    stranger, directory, monkeypatch, ordering, expected, limit
):
    path, found = f"{DOCTORS}?ordering={ordering}&limit={limit}", []
    while path:
        page = stranger.get(path)
        found += numbers(page)
        path = page.headers.get("Link", "")[1:].partition(">")[0]
    monkeypatch.setattr(streaming, "CHUNK_ROWS", limit)
    streamed = stranger.get(f"{DOCTORS}?ordering={ordering}")

    assert found == numbers(streamed) == expected
    assert streamed.streaming


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("specialization=surgeon", [0, 1, 3, 4]),
        ("specialization=G%C3%89N%C3%89RALISTE", [2, 5]),
        ("specialization=surge", []),
        ("gender=MALE", [0, 2, 4, 5]),
        ("search=g%C3%A9n", [2, 5]),
        ("search=D3@example", [3]),
        ("search=d4%40+DOCTOR", [4]),
        ("search=generaliste+d2", [2]),
        ("search=SURGEON&ordering=-name", [4, 3, 1, 0]),
    ],
)
def test_the_directory_can_be_filtered_and_searched(stranger, directory, query, expected):
    response = stranger.get(f"{DOCTORS}?{query}")

    assert (response.status_code, numbers(response)) == (200, expected)


@pytest.mark.parametrize(
    ("query", "field"),
    [("age=30", "age"), ("gender=robot", "gender"), ("ordering=email", "ordering"), ("limit=0", "limit")],
)
def test_a_bad_query_is_refused_on_its_parameter(stranger, doctor, query, field):
    response = stranger.get(f"{DOCTORS}?{query}")

    assert (response.status_code, list(response.json())) == (400, [field])


def test_a_doctor_and_the_directory_cost_two_queries(stranger, directory, django_assert_num_queries):
    for path in (
        DOCTORS,
        f"{DOCTORS}?ordering=-age&limit=2&gender=male",
        reverse("doctors-detail", args=[Doctor.objects.first().pk]),
    ):
        with django_assert_num_queries(2):
            stranger.get(path)
