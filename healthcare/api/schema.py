"""The OpenAPI document, by drf-spectacular: what operations have in common.

It is written for client generators: plain types, required response keys, errors as shared components. Rules that would
need regular expressions, from which importers generate useless examples, are in the descriptions. Examples are on the
serializers; views override single operations by `extend_schema`.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import exceptions
from rest_framework.fields import CharField, Field
from rest_framework.request import Request

from healthcare.api import errors, extensions  # noqa: F401, the extensions register themselves
from healthcare.api.csv import CSVParser, CSVRenderer
from healthcare.api.exceptions import Conflict, DatabaseUnavailable, PayloadTooLarge, PreconditionFailed
from healthcare.api.negotiation import FORMAT
from healthcare.api.pagination import parameter
from healthcare.api.permissions import IsCreatorOrHasModelPermission
from healthcare.api.serializers import DetailSerializer

# {action: (operation id, summary, description)}
OPERATIONS = {
    "list": ("list{Many}", "List the {many}", "All in one array or, with `limit`, one page; `Link` has the next."),
    "create": ("create{One}", "Add {a_one}", "A duplicate {one} is refused, so a request can safely be repeated."),
    "retrieve": ("get{One}", "Read {a_one}", "`ETag` names the version; `If-None-Match` avoids reading it again."),
    "update": ("replace{One}", "Replace {a_one}", "With `If-Match`, only if it has not changed since."),
    "partial_update": (
        "update{One}",
        "Change {a_one}",
        "Send only what changes. With `If-Match`, only if it has not changed since.",
    ),
    "destroy": ("delete{One}", "Delete {a_one}", "Its history remains."),
    "history": ("get{One}History", "Read the history of {a_one}", ""),
}
# In the order they are listed in the document.
METHODS = ("post", "get", "put", "patch", "delete")
# {status: (name of the component, description, {name of the example: body})}
ERRORS: dict[int, tuple[str, str, dict[str, Any]]] = {
    400: (
        "BadRequest",
        "The request is invalid: errors by field or query parameter, or `detail`.",
        {
            "fields": {"name": ["This field is required."], "age": ["Must be a whole number from 0 to 150."]},
            "query": {"gendr": ["Unknown query parameter. This path accepts none."]},
            "body": {"detail": "The body is not UTF-8."},
        },
    ),
    401: (
        "Unauthorized",
        "Not authenticated.",
        {"missing": {"detail": f"{exceptions.NotAuthenticated.default_detail} {errors.LOG_IN_FIRST}"}},
    ),
    403: (
        "Forbidden",
        "The user may read the record, but not change it.",
        {"forbidden": {"detail": IsCreatorOrHasModelPermission.message_for("doctor")}},
    ),
    404: (
        "NotFound",
        "There is no such record, or the user may not see it.",
        {"missing": {"detail": errors.NOT_FOUND}},
    ),
    409: ("Conflict", "Other records depend on it.", {"used": {"detail": Conflict.default_detail}}),
    411: (
        "LengthRequired",
        "Chunked bodies are not accepted.",
        {"length": {"detail": errors.LENGTH_REQUIRED}},
    ),
    412: (
        "PreconditionFailed",
        "The record has changed since the version in `If-Match`.",
        {"changed": {"detail": PreconditionFailed.default_detail}},
    ),
    413: (
        "PayloadTooLarge",
        "The body is larger than 1 MB, or 16 KB under `/api/auth/`.",
        {"large": {"detail": str(PayloadTooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE).detail)}},
    ),
    415: (
        "UnsupportedMediaType",
        "The operation does not accept this media type.",
        {"text": {"detail": f'Unsupported media type "text/plain" in request. {errors.SEND_JSON}'}},
    ),
    429: (
        "TooManyRequests",
        "Too many requests: see `Retry-After`.",
        {"rate": {"detail": "Request was throttled. Expected available in 60 seconds."}},
    ),
    503: (
        "ServiceUnavailable",
        "The database is unavailable, or the server busy with log-ins or imports: see `Retry-After`.",
        {"database": {"detail": DatabaseUnavailable.default_detail}},
    ),
}
SUCCESS = {"200": "Success.", "201": "Created."}
ERROR_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
FIELD_ERRORS = {
    "type": "object",
    "description": "The errors of each field or query parameter; `non_field_errors` concern several fields.",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
DETAIL = {"$ref": "#/components/schemas/Detail"}
INVALID = {"anyOf": [{"$ref": "#/components/schemas/FieldErrors"}, DETAIL]}


@cache
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(public=True)


class CachedGenerator(SchemaGenerator):
    """Generate the document once per process; only the server's URL differs between requests."""

    def get_schema(self, request: Request | None = None, public: bool = False) -> dict[str, Any]:
        url = request.build_absolute_uri("/").rstrip("/") if request else "http://127.0.0.1:8000"
        return {**document(), "servers": [{"url": url}]}


def finish(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Sort the operations, accounts first, and add the error responses (a drf-spectacular postprocessing hook)."""
    paths = sorted(result["paths"].items(), key=lambda item: not item[0].startswith("/api/auth/"))
    result["paths"] = {
        path: {method: operations[method] for method in METHODS if method in operations} for path, operations in paths
    }
    components = result["components"]
    components["schemas"]["FieldErrors"] = FIELD_ERRORS
    components["responses"] = {
        name: error_response(status, description, examples) for status, (name, description, examples) in ERRORS.items()
    }
    return result


def error_response(status: int, description: str, examples: dict[str, Any]) -> dict[str, Any]:
    content = {
        "schema": INVALID if status == 400 else DETAIL,
        "examples": {name: {"value": body} for name, body in examples.items()},
    }
    headers = {ERROR_HEADERS[status]: {"schema": {"type": "string"}}} if status in ERROR_HEADERS else {}
    response = {"description": description, "content": {"application/json": content}}
    return {**response, "headers": headers} if headers else response


def with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


class Schema(AutoSchema):
    """Add to each operation its id, summary, tag, headers and every error it can respond with."""

    def get_tags(self) -> list[str]:
        first = self.path.removeprefix("/api/").split("/")[0]
        return ["Accounts" if first == "auth" else first.capitalize()]

    def get_operation_id(self) -> str:
        if self.action not in OPERATIONS:
            return super().get_operation_id()
        return OPERATIONS[self.action][0].format(One=self.names[0].capitalize(), Many=self.names[1].capitalize())

    def get_summary(self) -> str:
        if self.action in OPERATIONS:
            return OPERATIONS[self.action][1].format(a_one=with_article(self.names[0]), many=self.names[1])
        return (self.view.__doc__ or "").strip().split("\n")[0].rstrip(".")

    def get_description(self) -> str:
        """Return the docstring of the action, else its general description, else the view's docstring after line 1."""
        docstring: str = get_doc(getattr(self.view, self.action or self.method.lower()))
        if docstring:
            return docstring
        if self.action in OPERATIONS:
            return OPERATIONS[self.action][2].format(one=self.names[0])
        return (self.view.__doc__ or "").partition("\n")[2].strip()

    @property
    def action(self) -> str | None:
        return getattr(self.view, "action", None)

    @property
    def names(self) -> tuple[str, str]:
        options = self.view.queryset.model._meta
        return options.model_name, f"{options.model_name}s"

    @property
    def conditional(self) -> bool:
        """Return whether the operation is on a single record with an ETag."""
        return self.has_etag and self.action in ("retrieve", "update", "partial_update", "destroy")

    @property
    def has_etag(self) -> bool:
        return getattr(self.view, "has_etag", False)

    def get_auth(self) -> list[dict[str, Any]]:
        """Return the authentication methods; `{}` marks a public view."""
        return super().get_auth() or [{}]

    # Parameters

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        parameter = {"in": "path", "required": True, "schema": {"type": "integer"}, "example": 1}
        return [{**parameter, "name": name, "description": "The id of the record."} for name in variables]

    def get_override_parameters(self) -> list[OpenApiParameter]:
        if not self.conditional:
            return []
        name, example = ("If-None-Match", "none") if self.method == "GET" else ("If-Match", "*")
        examples = [OpenApiExample(name, value=example)]
        return [OpenApiParameter(name, str, "header", description="An `ETag` from a response.", examples=examples)]

    def _get_paginator(self) -> None:
        """Return None, because a page has the same schema as the whole list."""

    def _get_pagination_parameters(self) -> list[dict[str, Any]]:
        paginator = super()._get_paginator() if self.action == "list" else None
        return paginator.get_schema_operation_parameters(self.view) if paginator else []

    def _get_format_parameters(self) -> list[dict[str, Any]]:
        formats = self.map_renderers("format")
        schema = {"type": "string", "enum": formats}
        # Importers send the example.
        more = parameter(
            FORMAT, schema, "`csv` answers with `text/csv`, as does the header `Accept: text/csv`.", example=formats[0]
        )
        return [more] if len(formats) > 1 else []

    def get_filter_backends(self) -> list[Any]:
        return self.view.filter_backends if self.action == "list" else []

    # Bodies

    def _insert_field_validators(self, field: Field, schema: dict[str, Any]) -> None:
        # `TextField` already maps text.
        if not isinstance(field, CharField):
            super()._insert_field_validators(field, schema)

    def _get_serializer_field_meta(self, field: Field, direction: str) -> dict[str, Any]:
        """Omit the title, which some generators use as the name of a model."""
        meta: dict[str, Any] = super()._get_serializer_field_meta(field, direction)
        return {name: value for name, value in meta.items() if name != "title"}

    def _get_request_body(self, direction: str = "request") -> dict[str, Any] | None:
        """Mark CSV bodies as required; drf-spectacular derives this only from serializers."""
        body: dict[str, Any] | None = super()._get_request_body(direction)
        return body | {"required": True} if body and CSVParser.media_type in body["content"] else body

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        """Require all keys of a response, because none is ever omitted."""
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        return {**schema, "required": list(schema["properties"])} if direction == "response" else schema

    def get_response_serializers(self) -> Any:
        if self.action == "destroy":
            return {200: DetailSerializer}
        if self.method == "POST":
            return {201: self.view.get_serializer_class()}
        return super().get_response_serializers()

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status in bodies.keys() & SUCCESS.keys():
            bodies[status]["description"] = SUCCESS[status]
            # The parameter `format` documents it: with two types of response, generated clients return a union.
            bodies[status]["content"].pop(CSVRenderer.media_type, None)
        for name, statuses in self._success_headers():
            for status in statuses & bodies.keys():
                bodies[status].setdefault("headers", {})[name] = {"schema": {"type": "string"}}
        if self.conditional and self.method == "GET":
            bodies["304"] = {"description": "The client has this version already."}
        errors = {str(status): f"#/components/responses/{ERRORS[status][0]}" for status in self._error_statuses()}
        return bodies | {status: {"$ref": ref} for status, ref in errors.items() if status not in bodies}

    def _error_statuses(self) -> Iterator[int]:
        yield from (400, 429, 503)
        if self.view.get_authenticators():
            yield 401
        if self.method in ("POST", "PUT", "PATCH"):
            yield from (411, 413, 415)
        if "{" in self.path:
            yield 404
        if self.conditional and self.method != "GET":
            yield 412
            if IsCreatorOrHasModelPermission in self.view.permission_classes:
                yield 403
            if self.action == "destroy":
                yield 409

    def _success_headers(self) -> Iterator[tuple[str, set[str]]]:
        if self.conditional or (self.has_etag and self.action == "create"):
            yield "ETag", {"200", "201"}
        if self.method == "POST":
            yield "Location", {"201"}
        if self.action == "list":
            yield "Link", {"200"}
