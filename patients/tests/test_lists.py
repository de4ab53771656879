"""Lists of patients: filters, search, ordering, pages, streaming and the number of queries."""

import json
import re
import time
from contextlib import nullcontext

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from conftest import PATIENT
from healthcare.api import streaming
from healthcare.db.compiled import CompiledQuery
from patients.models import Patient
from patients.tests.pages import ORDERINGS, PATIENTS, pages

# Every column has ties, which only the id resolves.
PEOPLE = [
    ("Émile Zola", 30, "male", "12 Rue 50%", 2),
    ("Ann Lee", 30, "Female", "Oak_Street", 1),
    ("Ben Poe", 0, "other", "", 1),
    ("Ann Lee", 150, "FEMALE", "Elm", 3),
    ("Cara Fox", 30, "unknown", "", 1),
    ("Ben Poe", 7, "female", "Oak Avenue", 2),
    ("Dan Kay", 0, "M", "", 2),
]


@pytest.fixture
def people(owner, stranger):
    """Seven patients of the owner and one of the stranger."""
    now = timezone.now()
    for number, (name, age, gender, address, day) in enumerate(PEOPLE):
        instant = now.replace(day=day, microsecond=day)
        fields = {"phone": f"555000{number}", "email": f"p{number}@example.com", "created_at": instant}
        Patient.objects.create(user=owner.user, name=name, age=age, gender=gender, address=address, **fields)
    Patient.objects.create(user=stranger.user, **PATIENT)
    return list(Patient.objects.filter(user=owner.user))


def numbers(response):
    """Return the indexes in PEOPLE of the listed patients, in order."""
    assert response.status_code == 200, response.content
    return [int(row["phone"][-1]) for row in json.loads(response.getvalue())]


# Filters, search, ordering


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6]),
        ("?gender=female", [1, 3, 5]),
        ("?gender=MALE", [0, 6]),
        ("?gender=m", [0, 6]),
        ("?gender=F", [1, 3, 5]),
        ("?gender=O", [2]),
        ("?age=30", [0, 1, 4]),
        ("?age=0", [2, 6]),
        ("?age_min=30", [0, 1, 3, 4]),
        ("?age_max=7", [2, 5, 6]),
        ("?age_min=7&age_max=30&gender=female", [1, 5]),
        ("?age=99", []),
        ("?gender=&age=&search=", [0, 1, 2, 3, 4, 5, 6]),
        ("?gender=%20&age=+&age_max=7", [2, 5, 6]),
        ("?search=ann", [1, 3]),
        ("?search=%C3%89MILE", [0]),
        ("?search=%C3%A9mile", [0]),
        ("?search=oak+ben", [5]),
        ("?search=+oak+AVENUE+", [5]),
        ("?search=5550004", [4]),
        ("?search=(555)+00-04", [4]),
        ("?search=emile+zola", [0]),
        ("?search=oak+zola", []),
        ("?search=P6@EXAMPLE", [6]),
        ("?search=%25", [0]),
        ("?search=oak_", [1]),
        ("?search=Alice", []),
        ("?search=", [0, 1, 2, 3, 4, 5, 6]),
        ("?search=ann&ordering=-id&limit=1", [3]),
    ],
)
def test_a_list_can_be_filtered_and_searched(owner, people, query, expected):
    response = owner.get(PATIENTS + query)

    assert numbers(response) == expected


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_a_list_can_be_ordered(owner, people, ordering):
    name, down = ordering.lstrip("-"), ordering.startswith("-")

    response = owner.get(f"{PATIENTS}?ordering={ordering}&age_max=29")

    filtered = [person for person in people if person.age < 30]
    expected = sorted(filtered, key=lambda person: (getattr(person, name), person.pk), reverse=down)
    assert [row["id"] for row in response.json()] == [person.pk for person in expected]


# Pages and streams


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_the_pages_of_a_list_are_the_list(owner, people, ordering, limit):
    whole = owner.get(f"{PATIENTS}?ordering={ordering}").json()

    found = pages(owner, f"{PATIENTS}?ordering={ordering}&limit={limit}")

    assert [row for page in found for row in page] == whole
    assert [len(page) for page in found] == [limit] * (7 // limit) + ([7 % limit] if 7 % limit else [])


def test_a_page_keeps_the_filters_of_the_first(owner, people):
    found = pages(owner, f"{PATIENTS}?gender=female&search=example.com&ordering=name&limit=1")

    assert [row["phone"][-1] for page in found for row in page] == ["1", "3", "5"]


def test_paging_continues_after_the_last_row_of_a_page_was_deleted(owner, people):
    link = owner.get(f"{PATIENTS}?limit=2").headers["Link"]
    people[1].delete()

    response = owner.get(link[1:].partition(">")[0])

    assert numbers(response) == [2, 3]


def test_a_list_without_rows_is_an_empty_array(owner):
    for query in ("", "?limit=5"):
        response = owner.get(PATIENTS + query)

        assert (response.status_code, response.content) == (200, b"[]")
        assert "Link" not in response.headers


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("chunk", [1, 3, 6])
def test_a_streamed_list_has_the_same_bytes(owner, people, monkeypatch, ordering, chunk):
    plain = owner.get(f"{PATIENTS}?ordering={ordering}")
    monkeypatch.setattr(streaming, "CHUNK_ROWS", chunk)

    streamed = owner.get(f"{PATIENTS}?ordering={ordering}")

    assert (plain.streaming, streamed.streaming) == (False, True)
    assert streamed.getvalue() == plain.content
    assert streamed.headers["Content-Type"] == plain.headers["Content-Type"]


def test_a_list_of_one_chunk_is_not_streamed(owner, people, monkeypatch):
    monkeypatch.setattr(streaming, "CHUNK_ROWS", 7)

    response = owner.get(PATIENTS)

    assert not response.streaming
    assert len(response.json()) == 7


@pytest.mark.parametrize(("taken", "seconds"), [(False, 10), (True, 0.1)])
def test_a_long_list_waits_only_briefly_for_its_turn(owner, people, monkeypatch, taken, seconds):
    monkeypatch.setattr(streaming, "CHUNK_ROWS", 1)
    monkeypatch.setattr(streaming, "TURN_SECONDS", seconds)
    response = owner.get(PATIENTS)
    started = time.monotonic()

    with streaming.turn() if taken else nullcontext():
        rows = json.loads(response.getvalue())

    assert len(rows) == 7
    # The first of the seven chunks does not wait.
    assert (time.monotonic() - started >= 6 * seconds) is taken


# Costs


def statements(call):
    """Return the SQL of a call without transaction statements."""
    with CaptureQueriesContext(connection) as queries:
        call()
    found = [query["sql"] for query in queries]
    return [sql for sql in found if not re.match("BEGIN|COMMIT|SAVEPOINT|RELEASE", sql)]


def test_a_patient_and_a_list_cost_two_queries_however_many_there_are(owner, people, django_assert_num_queries):
    for query in ("", "?limit=3", "?search=ann&gender=female&ordering=-name"):
        with django_assert_num_queries(2):
            owner.get(PATIENTS + query)
    with django_assert_num_queries(2):
        owner.get(reverse("patients-detail", args=[people[0].pk]))
    Patient.objects.all().delete()
    with django_assert_num_queries(2):
        owner.get(PATIENTS)


def test_a_new_patient_costs_at_most_four_queries_however_many_there_are(owner, people):
    created = statements(lambda: owner.post(PATIENTS, PATIENT))

    assert Patient.objects.filter(user=owner.user, name=PATIENT["name"]).exists()
    assert len(created) <= 4, created


def test_a_search_ignores_case_in_every_script(owner):
    Patient.objects.create(user=owner.user, **{**PATIENT, "name": "ΓΙΩΡΓΟΣ"})

    for text in ("ΓΙΩΡΓΟΣ", "γιωργοσ"):
        assert [row["name"] for row in owner.get(f"/api/patients/?search={text}").json()] == ["ΓΙΩΡΓΟΣ"]


def test_a_streamed_list_that_fails_is_aborted_and_logged(owner, monkeypatch, caplog):
    monkeypatch.setattr(streaming, "CHUNK_ROWS", 2)
    for number in range(3):
        Patient.objects.create(user=owner.user, **{**PATIENT, "name": f"P {number}"})
    response = owner.get("/api/patients/")
    monkeypatch.setattr(CompiledQuery, "rows", lambda *arguments, **values: 1 / 0)

    with pytest.raises(ConnectionAbortedError):
        response.getvalue()

    assert caplog.records[-1].data == {"request_id": response.headers["X-Request-ID"]}
