"""The bodies of lists: empty for HEAD, and chunks of bounded size for large records."""

import json

import pytest

from conftest import PATIENT
from healthcare.api import streaming
from patients.models import Patient
from patients.tests.pages import PATIENTS


@pytest.fixture
def people(owner):
    Patient.objects.bulk_create(Patient(user=owner.user, **{**PATIENT, "name": name}) for name in ("Ann", "Ben"))


@pytest.mark.parametrize("query", ["", "?limit=1", "?search=ann&gender=female&ordering=-name"])
def test_a_head_request_for_a_list_reads_no_rows(owner, people, django_assert_num_queries, query):
    with django_assert_num_queries(1):
        response = owner.request("HEAD", PATIENTS + query)

    assert (response.status_code, response.getvalue()) == (200, b"")
    assert response.headers["Content-Type"] == owner.get(PATIENTS + query).headers["Content-Type"]
    assert "Content-Length" not in response.headers


def test_a_head_request_with_a_bad_query_is_refused(owner):
    assert [owner.request(method, f"{PATIENTS}?limit=0").status_code for method in ("GET", "HEAD")] == [400, 400]


def test_a_page_of_large_records_is_streamed_with_its_link(owner, monkeypatch):
    monkeypatch.setattr(streaming, "FIRST_BYTES", 60_000)
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 60_000)
    Patient.objects.bulk_create(
        Patient(user=owner.user, **{**PATIENT, "address": "x" * 1000, "phone": f"{10**9 + number}"})
        for number in range(120)
    )
    ids = list(Patient.objects.values_list("pk", flat=True))

    chunks = list(owner.get(f"{PATIENTS}?limit=100"))
    page = owner.get(f"{PATIENTS}?limit=100")
    rest = owner.get(page.headers["Link"][1:].partition(">")[0])

    assert max(map(len, chunks)) < 60_000
    assert [row["id"] for row in json.loads(page.getvalue())] == ids[:100]
    assert [row["id"] for row in json.loads(rest.getvalue())] == ids[100:]
    assert "Link" not in rest.headers


@pytest.mark.parametrize(
    ("query", "waits"), [("", False), ("?limit=1", False), ("?search=ann", True), ("?gender=female&limit=1", True)]
)
def test_a_search_waits_for_its_turn_but_a_page_does_not(owner, people, monkeypatch, query, waits):
    monkeypatch.setattr(streaming, "TURN_SECONDS", 0.1)
    turns = []
    original = streaming.turn
    monkeypatch.setattr(streaming, "turn", lambda: turns.append(1) or original())

    response = owner.get(PATIENTS + query)

    assert response.status_code == 200
    assert bool(turns) is waits
