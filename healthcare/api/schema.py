"""The OpenAPI document, by drf-spectacular: what every operation has in common is said here, once.

Examples stand on the serializers, summaries come from the action and the model, descriptions from docstrings.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiFilterExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import exceptions
from rest_framework.serializers import Field

from healthcare.api import errors
from healthcare.api.exceptions import Conflict, DatabaseUnavailable, PayloadTooLarge, PreconditionFailed
from healthcare.api.permissions import IsCreatorOrHasModelPermission
from healthcare.api.serializers import DetailSerializer
from healthcare.fields import GENDER, validate_gender, validate_line, validate_phone, validate_text

SUMMARIES = {
    "list": "List the {many}",
    "create": "Add a {one}",
    "retrieve": "Read a {one}",
    "update": "Replace a {one}",
    "partial_update": "Change a {one}",
    "destroy": "Delete a {one}",
    "history": "The history of a {one}",
}
ERRORS = {
    401: ("Who are you?", f"{exceptions.NotAuthenticated.default_detail} {errors.LOG_IN_FIRST}"),
    403: ("You may not do this.", IsCreatorOrHasModelPermission.message_for("doctor")),
    404: ("It does not exist for you.", errors.NOT_FOUND),
    409: ("Others depend on it.", Conflict.default_detail),
    411: ("The body came in chunks.", errors.SEND_LENGTH),
    412: ("You edited an old version.", PreconditionFailed.default_detail),
    413: ("The body is too large.", str(PayloadTooLarge().detail)),
    415: ("The body is not JSON.", f'Unsupported media type "text/plain" in request. {errors.SEND_JSON}'),
    429: ("Too many requests: see `Retry-After`.", "Request was throttled. Expected available in 60 seconds."),
    503: ("The database is away: see `Retry-After`.", DatabaseUnavailable.default_detail),
}
INVALID = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
# What a text in a request may hold, where the separators of a phone number are dropped before it is looked at.
BANNED = [
    (validate_line, r"\u0000-\u001f\u007f-\u009f\u2028\u2029"),
    (validate_text, r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"),
]
WHOLE = [(validate_gender, GENDER), (validate_phone, r"[ .()-]*(\+[ .()-]*)?([0-9][ .()-]*){7,15}")]


@cache
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(public=True)


class OnceGenerator(SchemaGenerator):
    """Makes the document once a process: it is the same for whoever asks, and dear to make."""

    def get_schema(self, request: object = None, public: bool = False) -> dict[str, Any]:
        return document()


class JWTScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.JWTAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class FilterBackend(OpenApiFilterExtension):
    """The backend's own parameters, instead of those that drf-spectacular derives from django-filter."""

    target_class = "healthcare.api.filters.FilterBackend"
    priority = 1

    def get_schema_operation_parameters(self, auto_schema: AutoSchema, *args: Any, **kwargs: Any) -> Any:
        return self.target.get_schema_operation_parameters(auto_schema.view)


class TextField(OpenApiSerializerFieldExtension):
    """A text in a request: one pattern says what it may be, white space included that is dropped from its ends."""

    target_class = "healthcare.api.serializers.CharField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        if direction == "request" and "format" not in schema:
            schema["pattern"] = self.pattern()
        return schema

    def pattern(self) -> str:
        field = self.target
        space = r"\s" if field.trim_whitespace else ""
        text = next((pattern for validator, pattern in WHOLE if validator in field.validators), None)
        if text is None:
            banned = next((banned for validator, banned in BANNED if validator in field.validators), r"\u0000")
            more = f"{{0,{field.max_length - 1}}}" if field.max_length else "*"
            text = f"[^{banned}{space}][^{banned}]{more}"
        ends = space and f"{space}*"
        return f"^{ends}({text}){'?' if field.allow_blank else ''}{ends}$"


class Schema(AutoSchema):
    """Adds to each operation its summary, tag, list parameters, headers and every error it can answer."""

    def get_tags(self) -> list[str]:
        first = self.path.removeprefix("/api/").split("/")[0]
        if self.path.endswith(("{id}/doctors/", "{id}/patients/")):
            first = "mappings"
        return ["Accounts" if first == "auth" else first.capitalize()]

    def get_summary(self) -> str:
        queryset = getattr(self.view, "queryset", None)
        if queryset is not None and self.action in SUMMARIES:
            name = queryset.model._meta.model_name
            return SUMMARIES[self.action].format(one=name, many=f"{name}s")
        name = (self.view.__doc__ or "").strip().split("\n")[0].rstrip(".")
        return f"Change {name[0].lower()}{name[1:]}" if self.method == "PATCH" else name

    @property
    def action(self) -> str | None:
        return getattr(self.view, "action", None)

    @property
    def conditional(self) -> bool:
        """Whether the operation is on a single record that has an ETag."""
        return self.has_etag and self.action in ("retrieve", "update", "partial_update", "destroy")

    @property
    def has_etag(self) -> bool:
        return getattr(self.view, "has_etag", False)

    # Parameters

    def get_override_parameters(self) -> list[OpenApiParameter]:
        if self.conditional:
            name = "If-None-Match" if self.method == "GET" else "If-Match"
            return [OpenApiParameter(name, str, "header", description="The `ETag` of the version you have.")]
        return []

    def _get_paginator(self) -> None:
        """Return None: a page is the same array as the whole list, and needs no component of its own."""

    def _get_pagination_parameters(self) -> list[dict[str, Any]]:
        paginator = super()._get_paginator() if self.action == "list" else None
        return paginator.get_schema_operation_parameters(self.view) if paginator else []

    def get_filter_backends(self) -> list[Any]:
        return self.view.filter_backends if self.action == "list" else []

    def _insert_field_validators(self, field: Field, schema: dict[str, Any]) -> None:
        # Lengths are those of the text without the white space at its ends, so the pattern has them.
        if "pattern" not in schema:
            super()._insert_field_validators(field, schema)

    # Answers

    def get_response_serializers(self) -> Any:
        if self.action == "destroy":
            return {200: DetailSerializer}
        answer = getattr(self.view, "answer_class", None)
        if answer:
            return {200: answer}
        if self.method == "POST":
            return {201: self.view.get_serializer_class()}
        return super().get_response_serializers()

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        for code in self._error_codes():
            reason, detail = ERRORS[code]
            if code == 403:
                detail = getattr(self.view, "forbidden_detail", detail)
            example = OpenApiExample(f"{code}", value={"detail": detail}, response_only=True)
            bodies[str(code)] = self._get_response_for_code(
                OpenApiResponse(DetailSerializer, reason, [example]), str(code)
            )
        bodies["400"] = {
            "description": "What is wrong, by field, by query parameter, or as `detail`.",
            "content": {"application/json": {"schema": INVALID_OR_DETAIL}},
        }
        if self.conditional and self.method == "GET":
            bodies["304"] = {"description": "You have this version already."}
        for name, codes in self._answer_headers():
            for answered in codes & bodies.keys():
                bodies[answered].setdefault("headers", {})[name] = {"schema": {"type": "string"}}
        return bodies

    def _error_codes(self) -> Iterator[int]:
        public = not self.view.get_authenticators()
        yield from (429, 503)
        if not public or self.path.endswith(("login/", "refresh/", "logout/")):
            yield 401
        if self.method in ("POST", "PUT", "PATCH"):
            yield from (411, 413, 415)
        if "{" in self.path:
            yield 404
        if hasattr(self.view, "forbidden_detail"):
            yield 403
        if self.conditional and self.method != "GET":
            yield 412
            if IsCreatorOrHasModelPermission in self.view.permission_classes:
                yield 403
            if self.action == "destroy":
                yield 409

    def _answer_headers(self) -> Iterator[tuple[str, set[str]]]:
        yield "Retry-After", {"429", "503"}
        yield "WWW-Authenticate", {"401"}
        if self.conditional or (self.has_etag and self.action == "create"):
            yield "ETag", {"200", "201"}
        if self.method == "POST":
            yield "Location", {"201"}
        if self.action == "list":
            yield "Link", {"200"}


INVALID_OR_DETAIL = {"anyOf": [INVALID, {"$ref": "#/components/schemas/Detail"}]}
