"""The Postman collection and the OpenAPI document agree.

The first saved response of a request is the one that its script expects; newman checks that the server returns it.
"""

import json
import re

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

SCHEMA = SchemaGenerator().get_schema(public=True)
OPERATIONS = {
    (method.upper(), path): operation for path, item in SCHEMA["paths"].items() for method, operation in item.items()
}
# Not in the document.
OPEN = {("GET", path) for path in ("/healthz", "/readyz", "/api/schema/", "/api/docs/")}
# Succeeds only with a token from an e-mail.
MAILED = {("POST", "/api/auth/password/reset/confirm/")}
COLLECTION = json.loads((settings.BASE_DIR / "samples/healthcare.postman_collection.json").read_text())
ITEMS = [item for folder in COLLECTION["item"] for item in folder["item"]]
each_request = pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["name"])


def called(item):
    """Return the (method, path) of a request in the format of the document."""
    path = item["request"]["url"].removeprefix("{{base_url}}").partition("?")[0]
    path = re.sub(r"(?<=/)(\{\{\w+\}\}|0)(?=/)", "{id}", path)
    if path.startswith("/api/") and not path.endswith("/"):
        path += "/"
    return item["request"]["method"], path


def expected(item):
    return item["response"][0]["code"]


def good(item):
    return expected(item) < 300 and called(item) in OPERATIONS


def problems(body, content):
    """Return the schema errors of a JSON body; variables are replaced by an e-mail or 1."""
    if body.startswith(("id,", "name,")):
        # The CSV of an import or of a list.
        return []
    schema = {**content["application/json"]["schema"], "components": SCHEMA["components"]}
    value = json.loads(re.sub(r"\{\{\w+\}\}", "1", re.sub(r"\{\{\w*email\}\}", "name@example.com", body)))
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(value)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_every_operation_is_called_and_succeeds(operation):
    assert operation in {called(item) for item in ITEMS if good(item) or called(item) in MAILED}


@each_request
def test_every_request_is_a_documented_operation(item):
    method, path = called(item)

    if expected(item) == 405:
        assert (method, path) not in OPERATIONS
        assert path in SCHEMA["paths"]
    else:
        assert (method, path) in OPERATIONS.keys() | OPEN


@each_request
def test_the_expected_response_is_documented(item):
    code, operation = expected(item), OPERATIONS.get(called(item))

    assert f"have.status({code})" in "".join(item["event"][-1]["script"]["exec"])
    if operation:
        content = operation["responses"][str(code)].get("content")
        assert not content or problems(item["response"][0]["body"], content) == []


@pytest.mark.parametrize(
    "item", [item for item in ITEMS if good(item) and "body" in item["request"]], ids=lambda item: item["name"]
)
def test_the_body_of_a_successful_request_is_valid_by_the_document(item):
    content = OPERATIONS[called(item)]["requestBody"]["content"]

    assert problems(item["request"]["body"]["raw"], content) == []


@each_request
def test_the_query_parameters_of_a_successful_request_are_documented(item):
    sent = {pair.partition("=")[0] for pair in item["request"]["url"].partition("?")[2].split("&")} - {""}

    if good(item):
        assert sent <= {parameter["name"] for parameter in OPERATIONS[called(item)].get("parameters", [])}


@each_request
def test_the_saved_response_is_for_the_current_request(item):
    sent = {key: value for key, value in item["request"].items() if key not in ("auth", "description")}

    assert item["response"][0]["originalRequest"] == sent


def test_every_variable_is_defined():
    held = {variable["key"] for variable in COLLECTION["variable"]} | {"base_url", "megabyte"}
    text = json.dumps(COLLECTION)

    assert set(re.findall(r"\{\{(\w+)\}\}", text)) <= held
    assert set(re.findall(r'collectionVariables\.[gs]et\(\\"(\w+)', text)) <= held
