"""The OpenAPI document and the page that shows it."""

import re

import pytest
from drf_spectacular.generators import SchemaGenerator

from conftest import DOCTOR, PATIENT, ApiClient

DOCUMENT = SchemaGenerator().get_schema(public=True)
OPERATIONS = [
    (path, method, operation) for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:30])
def test_an_operation_documents_its_summary_success_and_errors(path, method, operation):
    codes = set(operation["responses"])

    assert operation["summary"]
    assert codes & {"200", "201"}
    assert {"400", "429", "503"} <= codes
    assert ("401" in codes) == ("register" not in path and "reset" not in path)
    assert ("404" in codes) == ("{id}" in path)


def schemas(value):
    """Yield every schema in a part of the document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from schemas(part)


def test_types_are_plain_for_generators():
    text = [schema for schema in schemas(DOCUMENT["components"]["schemas"]) if schema.get("type") == "string"]

    assert not [schema for schema in schemas(DOCUMENT["components"]["schemas"]) if schema.keys() & {"oneOf", "title"}]
    assert {key for schema in text for key in schema} <= {
        *("type", "minLength", "maxLength", "description", "readOnly", "writeOnly", "format")
    }
    assert {schema["format"] for schema in text if "format" in schema} == {"date-time"}


def test_every_key_of_a_response_is_required():
    components = DOCUMENT["components"]["schemas"]
    responses = {name: schema for name, schema in components.items() if not name.endswith("Request")}

    assert responses.pop("FieldErrors")["additionalProperties"]
    for schema in responses.values():
        assert schema["required"] == list(schema["properties"])


def test_an_id_in_a_path_is_an_integer_with_an_example():
    in_paths = [
        parameter
        for _, _, operation in OPERATIONS
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "path"
    ]

    assert {parameter["schema"]["type"] for parameter in in_paths} == {"integer"}
    assert all("example" in parameter or "examples" in parameter for parameter in in_paths)


def test_an_operation_has_an_id_that_makes_a_method_name():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert names[:2] == ["register", "logIn"]
    assert {"createPatient", "listPatients", "replaceDoctor", "getDoctorHistory", "deleteMapping"} <= set(names)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in names)
    assert len(set(names)) == len(names)


def test_the_examples_of_errors_are_what_the_api_answers(owner, other_doctor):
    responses = DOCUMENT["components"]["responses"]
    real = {
        "BadRequest": [
            owner.post("/api/patients/", {"age": 151, "gender": "f"}),
            owner.get("/api/patients/1/?gendr=x"),
            owner.post("/api/patients/", raw=b"\xff"),
        ],
        "Unauthorized": [ApiClient().get("/api/patients/")],
        "Forbidden": [owner.put(f"/api/doctors/{other_doctor.pk}/", DOCTOR)],
        "NotFound": [owner.get("/api/patients/0/")],
        "UnsupportedMediaType": [owner.post("/api/patients/", raw=b"x", content_type="text/plain")],
        "PayloadTooLarge": [owner.post("/api/patients/", raw=b" " * 1024 * 1025)],
    }

    for name, answers in real.items():
        examples = responses[name]["content"]["application/json"]["examples"].values()
        assert [answer.json() for answer in answers] == [example["value"] for example in examples]


def test_the_401_of_log_in_is_what_the_api_answers(anonymous):
    (operation,) = [operation for path, _, operation in OPERATIONS if path == "/api/auth/login/"]
    (example,) = operation["responses"]["401"]["content"]["application/json"]["examples"].values()

    response = anonymous.post("/api/auth/login/", {"email": "nobody@example.com", "password": "password123"})

    assert (response.status_code, response.json()) == (401, example["value"])


def test_the_document_names_the_server_that_serves_it(anonymous):
    document = anonymous.get("/api/schema/?format=json").json()

    assert document["servers"] == [{"url": "http://testserver"}]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:30])
def test_a_body_has_an_example_that_can_be_sent_as_it_stands(path, method, operation):
    if method in {"get", "delete"}:
        assert "requestBody" not in operation
    else:
        ((media_type, content),) = operation["requestBody"]["content"].items()
        assert media_type == ("text/csv" if path.endswith("/import/") else "application/json")
        assert content["examples"]


def test_the_example_of_an_import_gives_the_answer_of_its_example(owner):
    (operation,) = [operation for path, _, operation in OPERATIONS if path == "/api/patients/import/"]
    (sent,) = operation["requestBody"]["content"]["text/csv"]["examples"].values()
    (answer,) = operation["responses"]["200"]["content"]["application/json"]["examples"].values()

    response = owner.post("/api/patients/import/", raw=sent["value"].encode(), content_type="text/csv")

    assert (response.status_code, response.json()) == (200, answer["value"])


def test_a_list_has_one_type_and_a_parameter_for_csv():
    lists = [operation for _, _, operation in OPERATIONS if "format" in str(operation.get("parameters"))]

    assert lists
    for operation in lists:
        content = operation["responses"]["200"]["content"]
        (parameter,) = [item for item in operation["parameters"] if item["name"] == "format"]
        assert list(content) == ["application/json"]
        assert (parameter["schema"]["enum"], parameter["example"]) == (["json", "csv"], "json")


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
def test_a_text_is_accepted_by_the_rules_of_its_field(owner, field, text, good):
    response = owner.post("/api/patients/", PATIENT | {field: text})

    assert response.status_code == (201 if good else 400)
    assert good or list(response.json()) == [field]


def test_the_two_meanings_of_a_mapping_path_are_described():
    by_method = {method: operation for path, method, operation in OPERATIONS if path == "/api/mappings/{id}/"}

    assert "patient" in by_method["get"]["parameters"][0]["description"]
    assert "mapping" in by_method["delete"]["parameters"][0]["description"]


@pytest.mark.parametrize("path", ["/api/docs/", "/api/schema/"])
def test_the_documentation_is_public(anonymous, path):
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
def test_the_format_of_the_documentation_can_be_chosen(anonymous, path, accept, content_type):
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


def test_the_front_page_links_to_the_documentation(anonymous):
    assert anonymous.get("/").headers["Location"] == "/api/docs/"
