"""Rules that the OpenAPI document states only in words, and the expected reasons for a 400."""

import re

import schemathesis

STORED = r"already exists|exists already|already assigned|There is no |You have no |This is not your current"
CONFIGURED = r"This link is invalid|password is too|entirely numeric|too common|Send your current password"
# JSON Schema cannot describe text of invisible characters only, cursors, or parameters that require each other. Leap
# seconds, and the first and last hours that Python can represent, are timestamps in a schema.
BEYOND_A_SCHEMA = r"may not be blank|into a decimal number|Invalid cursor|required with a cursor|Must be a timestamp"
CSV = r"The body (is empty|is an? |is not UTF-8|is not valid CSV|has )"
EXPLAINED = re.compile(f"{STORED}|{CONFIGURED}|{BEYOND_A_SCHEMA}|{CSV}")

# The document has these rules in words only, because importers generate useless examples from such patterns.
CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffe\uffff"
LINE = rf"^\s*[^\s{CONTROLS}]([^{CONTROLS}]{{0,98}}[^\s{CONTROLS}])?\s*$"
TEXT = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]*$"
GENDERS = "|".join(
    "".join(f"[{letter.upper()}{letter}]" for letter in gender)
    for gender in ("male", "female", "other", "unknown", "m", "f", "o", "u")
)
PHONE = r"[ .()-]*(\+[ .()-]*)?([0-9][ .()-]*){7,15}"
# The API takes a JSON integer, which the document leaves out: clients generated from it would have two types.
PHONE_AS_NUMBER = {"type": "integer", "minimum": 10**6, "maximum": 10**15 - 1}
RULES = {
    "name": {"pattern": LINE},
    "specialization": {"pattern": LINE},
    "gender": {"pattern": rf"^\s*({GENDERS})\s*$"},
    "phone": {"pattern": rf"^\s*{PHONE}\s*$"},
    "address": {"pattern": TEXT},
    "email": {"format": "email"},
}
NOT_FILTERS = ("cursor", "format", "limit", "ordering", "search")
NO_NUL = {"pattern": r"^[^\u0000]*$"}
# Their length limits exclude leading and trailing white space.
TRIMMED = ("name", "specialization", "gender")


def with_rules(field, schema):
    """Return the schema of a text field of a request with the rules that the document states in words."""
    required = "minLength" in schema
    if field in TRIMMED:
        schema = {key: value for key, value in schema.items() if key not in ("minLength", "maxLength")}
    schema = schema | RULES.get(field, NO_NUL)
    if required or re.search(schema.get("pattern", "^.+$"), ""):
        return schema
    if "pattern" in schema:
        return schema | {"pattern": rf"{schema['pattern']}|^\s*$"}
    return {"anyOf": [schema, {"type": "string", "maxLength": 0}]}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Add the rules to the text fields of request bodies and to query parameters."""
    for name, component in raw_schema["components"]["schemas"].items():
        if name.endswith("Request"):
            for field, schema in component["properties"].items():
                if schema.get("type") == "string":
                    component["properties"][field] = with_rules(field, schema)
                if field == "phone":
                    component["properties"][field] = {"anyOf": [component["properties"][field], PHONE_AS_NUMBER]}
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and parameter["schema"]["type"] == "string":
                    parameter["schema"] |= NO_NUL
                if parameter["in"] == "query" and parameter["name"] not in NOT_FILTERS:
                    # An empty filter does not filter.
                    parameter["schema"] = {"anyOf": [parameter["schema"], {"type": "string", "maxLength": 0}]}
                if parameter["name"] == "format":
                    operation["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}


@schemathesis.serializer("text/csv")
def csv_body(ctx, value):
    """Send a text as it is."""
    return str(value).encode(errors="replace")


@schemathesis.check
def valid_requests_are_refused_only_for_known_reasons(ctx, response, case):
    """Find validation rules that are missing in the document."""
    if response.status_code == 400 and case.meta and case.meta.generation.mode.is_positive:
        for name, messages in response.json().items():
            if not EXPLAINED.search(str(messages)):
                raise AssertionError(f"The document allows this request: {name}: {messages}")
