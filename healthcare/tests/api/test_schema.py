"""The OpenAPI document and the page that shows it."""

import re

import pytest
from drf_spectacular.generators import SchemaGenerator

from conftest import PATIENT

DOCUMENT = SchemaGenerator().get_schema(public=True)
OPERATIONS = [
    (path, method, operation) for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:30])
def test_an_operation_tells_its_summary_its_success_and_its_errors(path, method, operation):
    codes = set(operation["responses"])

    assert operation["summary"]
    assert codes & {"200", "201"}
    assert {"400", "429", "503"} <= codes
    assert ("401" in codes) == ("register" not in path and "reset" not in path)
    assert ("404" in codes) == ("{id}" in path)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:30])
def test_a_body_has_an_example_that_can_be_sent_as_it_stands(path, method, operation):
    if method in {"get", "delete"}:
        assert "requestBody" not in operation
    else:
        assert operation["requestBody"]["content"]["application/json"]["examples"]


@pytest.mark.parametrize(
    ("field", "text", "good"),
    [
        ("name", " Alice\n", True),
        ("name", "x" * 100 + " ", True),
        ("name", "x" * 101, False),
        ("name", " \t", False),
        ("name", "Al\x07ice", False),
        ("name", "Al\u2028ice", False),
        ("gender", "feMALE ", True),
        ("gender", "un\u212anown", False),
        ("gender", "", False),
        ("phone", " +1 (987) 654-3210", True),
        ("phone", "98765+43210", False),
        ("phone", "1" * 16, False),
        ("address", "", True),
        ("address", " two\r\nlines\t", True),
        ("address", "x" * 1001, False),
        ("address", "be\x07ll", False),
    ],
)
def test_the_pattern_of_a_field_allows_what_the_api_takes(owner, field, text, good):
    pattern = DOCUMENT["components"]["schemas"]["PatientRequest"]["properties"][field]["pattern"]

    response = owner.post("/api/patients/", PATIENT | {field: text})

    assert bool(re.search(pattern, text)) is good
    assert response.status_code == (201 if good else 400)
    assert good or list(response.json()) == [field]


def test_the_two_meanings_of_a_mapping_path_are_told():
    by_method = {method: operation for path, method, operation in OPERATIONS if path == "/api/mappings/{id}/"}

    assert "patient" in by_method["get"]["parameters"][0]["description"]
    assert "mapping" in by_method["delete"]["parameters"][0]["description"]


@pytest.mark.parametrize("path", ["/api/docs/", "/api/schema/"])
def test_the_documentation_is_open_to_everybody(anonymous, path):
    assert anonymous.get(path).status_code == 200


@pytest.mark.parametrize(
    ("path", "accept", "content_type"),
    [
        ("/api/docs/", "text/html", "text/html; charset=utf-8"),
        ("/api/docs/", "*/*", "text/html; charset=utf-8"),
        ("/api/schema/", "*/*", "application/vnd.oai.openapi; charset=utf-8"),
        ("/api/schema/", "application/json", "application/json"),
        ("/api/schema/?format=json", "*/*", "application/vnd.oai.openapi+json"),
    ],
)
def test_the_documentation_comes_as_it_is_asked_for(anonymous, path, accept, content_type):
    response = anonymous.get(path, Accept=accept)

    assert (response.status_code, response.headers["Content-Type"]) == (200, content_type)


@pytest.mark.parametrize("path", ["/api/docs/", "/api/schema/"])
@pytest.mark.parametrize(
    ("method", "query", "accept", "status"),
    [
        ("GET", "", "image/png", 406),
        ("GET", "", "nonsense", 406),
        ("GET", "?format=xml", "*/*", 404),
        ("POST", "", "*/*", 405),
        ("OPTIONS", "", "*/*", 405),
    ],
)
def test_an_error_of_the_documentation_is_json(anonymous, path, method, query, accept, status):
    response = anonymous.request(method, path + query, Accept=accept)

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert list(response.json()) == ["detail"]


def test_the_front_page_leads_to_the_documentation(anonymous):
    assert anonymous.get("/").headers["Location"] == "/api/docs/"
