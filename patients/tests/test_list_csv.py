"""Lists as CSV: what the JSON says, as a table."""

import csv
import json
import tracemalloc
from io import StringIO

import pytest
from rest_framework.pagination import PageNumberPagination

from conftest import PATIENT
from healthcare.api import streaming
from healthcare.db.compiled import CompiledQuery
from healthcare.tests.api.probes import PROBE, serve
from patients.models import Patient
from patients.serializers import PatientSerializer
from patients.tests.files import run
from patients.tests.pages import PATIENTS
from patients.views import PatientViewSet

HEADER = "id,name,age,gender,phone,address,email,created_at,user"
LISTS = ["/api/patients/", "/api/doctors/", "/api/mappings/", "/api/doctors/{doctor}/patients/"]


@pytest.fixture
def people(owner, stranger):
    """Five patients of the owner, with texts that a table must quote, and one of the stranger."""
    texts = ["Ann", 'Bob "Bo"', "Cid, Jr.", "Émile", "Fay"]
    for number, text in enumerate(texts):
        fields = {"name": text, "age": number % 2, "address": f"{text}\n1 Street\n" if number else ""}
        Patient.objects.create(user=owner.user, **{**PATIENT, **fields, "phone": f"+555000{number}"[number % 2 :]})
    Patient.objects.create(user=stranger.user, **PATIENT)


def table(response):
    assert response.status_code == 200, response.getvalue()
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(response.getvalue().decode(), newline="")))


def cells(rows):
    """Return rows of JSON as the cells of a table."""
    texts = [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
    return [{key: f"'{text}" if text[:1] in ("+", "=") else text for key, text in row.items()} for row in texts]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_the_same_as_csv(owner, mapping, path):
    path = path.format(doctor=mapping.doctor_id)
    rows = owner.get(path).json()

    responses = [owner.get(f"{path}?format=csv"), owner.get(path, Accept="text/csv")]

    assert rows
    for response in responses:
        assert table(response) == cells(rows)
        assert response.content.decode().splitlines()[0] == ",".join(rows[0])


@pytest.mark.parametrize(
    "query",
    ["", "?ordering=-name", "?age=1&ordering=-id", "?search=street", "?search=b&age_max=1&limit=1", "?age=99"],
)
@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_filters_search_order_and_chunks_are_those_of_the_json(owner, people, monkeypatch, query, chunk):
    rows = owner.get(PATIENTS + query).json()
    monkeypatch.setattr(streaming, "CHUNK_ROWS", chunk)

    response = owner.get(PATIENTS + query, Accept="text/csv")

    assert response.streaming == (len(rows) > chunk)
    assert table(response) == cells(rows)


def test_a_table_is_downloaded_under_the_name_of_its_list(owner, people):
    response = owner.get(f"{PATIENTS}?format=csv")

    assert response.headers["Content-Disposition"] == 'attachment; filename="patients.csv"'
    assert "Content-Disposition" not in owner.get(PATIENTS).headers


@pytest.mark.parametrize("headers", [{}, {"Accept": "text/csv"}])
def test_pages_of_a_table_follow_the_link(owner, people, headers):
    path = f"{PATIENTS}?limit=2&ordering=name" + ("" if headers else "&format=csv")
    found = []

    while path:
        response = owner.get(path, **headers)
        found.append(table(response))
        path = response.headers.get("Link", "")[1:].partition(">")[0]

    assert [len(page) for page in found] == [2, 2, 1]
    assert [row for page in found for row in page] == cells(owner.get(f"{PATIENTS}?ordering=name").json())


def test_an_empty_list_is_a_header_line(owner):
    for query in ("?format=csv", "?format=csv&limit=5", "?format=csv&search=x"):
        assert owner.get(PATIENTS + query).content.decode() == f"{HEADER}\r\n"


def test_what_a_spreadsheet_would_calculate_is_escaped_and_imported_as_it_was(owner, stranger, csv_file):
    for number, text in enumerate(["=1+1", "+1", "-1", "@x", "'=x", "''+", "'Abd", "ünï"]):
        own = {"name": text, "phone": f"+1234567{number}", "address": f'=a\n{text}, "b" '}
        Patient.objects.create(user=owner.user, **{**PATIENT, **own})

    content = owner.get(f"{PATIENTS}?format=csv").content
    said, _ = run(csv_file(content=content), stranger)

    names = [row["name"] for row in table(owner.get(f"{PATIENTS}?format=csv"))]
    before, after = (user.patients.order_by("phone").values_list(*PATIENT) for user in (owner.user, stranger.user))
    assert names == ["'=1+1", "'+1", "'-1", "'@x", "''=x", "'''+", "'Abd", "ünï"]
    assert said == "8 added, 0 already there, 0 refused.\n"
    assert list(after) == list(before)


@pytest.mark.parametrize(
    ("accept", "as_csv"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("nonsense;;q=,/", False),
        ("text/*", False),
        ("text/csvx", False),
        ("application/json, text/csv", False),
        ("text/csv, application/json", False),
        ("text/csv;q=0.5, application/json", False),
        ("text/csv;q=0.9, */*", False),
        ("text/csv;q=0", False),
        ("text/csv;q=0, */*;q=0", False),
        ("text/csv", True),
        ("TEXT/CSV; header=present; charset=utf-8", True),
        ("text/csv, application/json;q=0.5", True),
        ("text/csv, */*", True),
        ("text/html, text/csv;q=0.9, */*;q=0.8", True),
        ("text/csv; q*=x'y'z", True),
    ],
)
def test_a_client_gets_csv_only_if_it_prefers_it_by_name(owner, people, accept, as_csv):
    response = owner.get(PATIENTS, Accept=accept)

    expected = "text/csv; charset=utf-8" if as_csv else "application/json"
    assert (response.status_code, response.headers["Content-Type"]) == (200, expected)


def test_the_format_in_the_query_beats_the_accept_header(owner, patient):
    assert owner.get(f"{PATIENTS}?format=json", Accept="text/csv").json() == owner.get(PATIENTS).json()


@pytest.mark.parametrize("value", ["xml", "", "CSV"])
def test_an_unknown_format_is_refused(owner, value):
    response = owner.get(f"{PATIENTS}?format={value}", Accept="text/csv")

    assert (response.status_code, response.json()) == (400, {"format": ["Must be one of json, csv."]})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", f"{PATIENTS}?limit=0", 400), ("GET", f"{PATIENTS}0/", 404), ("POST", PATIENTS, 400)],
)
def test_errors_and_single_records_are_json(owner, patient, method, path, status):
    response = owner.request(method, path, {}, Accept="text/csv")

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert owner.get(f"{PATIENTS}{patient.pk}/", Accept="text/csv").json()["id"] == patient.pk
    assert owner.get(f"{PATIENTS}{patient.pk}/?format=csv").json()["format"]


def test_nobody_gets_a_table_without_logging_in(anonymous, people):
    for query in ("csv", "xml"):
        response = anonymous.get(f"{PATIENTS}?format={query}", Accept="text/csv")

        assert (response.status_code, response.headers["Content-Type"]) == (401, "application/json")


def test_the_head_of_a_table_reads_no_rows(owner, people, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = owner.request("HEAD", f"{PATIENTS}?format=csv")

    assert (response.status_code, response.getvalue()) == (200, b"")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_a_table_that_fails_half_way_is_broken_off_and_logged(owner, people, monkeypatch, caplog):
    monkeypatch.setattr(streaming, "CHUNK_ROWS", 2)
    response = owner.get(f"{PATIENTS}?format=csv")
    monkeypatch.setattr(CompiledQuery, "rows", lambda *arguments, **values: 1 / 0)

    with pytest.raises(ConnectionAbortedError):
        response.getvalue()

    assert caplog.records[-1].data == {"request_id": response.headers["X-Request-ID"]}


def test_every_row_of_a_table_is_logged(owner, people, monkeypatch, caplog):
    caplog.set_level("INFO", "healthcare")
    monkeypatch.setattr(streaming, "CHUNK_ROWS", 2)

    rows = table(owner.get(f"{PATIENTS}?format=csv"))

    logged = [pk for record in caplog.records for pk in getattr(record, "data", {}).get("ids", ())]
    assert sorted(logged) == [int(row["id"]) for row in rows]


def test_a_table_is_streamed_in_bounded_memory(owner, monkeypatch):
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 20_000)
    monkeypatch.setattr(streaming, "FIRST_BYTES", 20_000)
    Patient.objects.bulk_create(
        Patient(user=owner.user, **{**PATIENT, "address": "x" * 1000, "phone": f"{10**9 + number}"})
        for number in range(3000)
    )
    response = owner.get(f"{PATIENTS}?format=csv")

    tracemalloc.start()
    size = sum(map(len, response))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size > 3_000_000
    assert peak < 1_000_000


# Hooks


def test_a_serializer_that_adds_a_key_adds_a_column(settings, owner, people):
    class Serializer(PatientSerializer):
        def to_representation(self, instance):
            return {**super().to_representation(instance), "adult": instance.age > 17, "tags": ["a", None]}

    serve(settings, type("Probe", (PatientViewSet,), {"serializer_class": Serializer}))

    rows = table(owner.get(f"{PROBE}?format=csv"))

    assert list(rows[0]) == [*HEADER.split(","), "adult", "tags"]
    assert {(row["adult"], row["tags"]) for row in rows} == {("false", '["a",null]')}
    assert [row["name"] for row in rows] == [row["name"] for row in owner.get(PROBE).json()]


def test_the_page_of_another_paginator_is_a_table(settings, owner, people):
    class Pages(PageNumberPagination):
        page_size = 2

    serve(settings, type("Probe", (PatientViewSet,), {"pagination_class": Pages}))

    response = owner.get(f"{PROBE}?format=csv&page=2")

    assert table(response) == cells(owner.get(f"{PROBE}?page=2").json()["results"])
    assert response.headers["Content-Disposition"] == 'attachment; filename="patients.csv"'
    assert owner.get(f"{PROBE}?format=csv&search=nobody").content.decode() == f"{HEADER}\r\n"


def test_a_list_without_a_paginator_is_a_table(settings, owner, people):
    serve(settings, type("Probe", (PatientViewSet,), {"pagination_class": None}))

    assert table(owner.get(f"{PROBE}?format=csv")) == cells(json.loads(owner.get(PROBE).content))
