"""How drf-spectacular describes the project's own authentication, filters and text fields."""

from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiFilterExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema


class JWTScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.JWTAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Paste the `access` token of the log-in, without `Bearer`.",
        }


class FilterBackend(OpenApiFilterExtension):
    """Use the backend's own parameters instead of those that drf-spectacular derives from django-filter."""

    target_class = "healthcare.api.filters.FilterBackend"
    priority = 1

    def get_schema_operation_parameters(self, auto_schema: AutoSchema, *args: Any, **kwargs: Any) -> Any:
        return self.target.get_schema_operation_parameters(auto_schema.view)


class TextField(OpenApiSerializerFieldExtension):
    """Describe text as a plain string; a `format` or `pattern` would refuse the empty value of an optional field."""

    target_class = "healthcare.api.serializers.CharField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        field = self.target
        schema: dict[str, Any] = {"type": "string"}
        if direction == "request" and not field.allow_blank:
            schema["minLength"] = getattr(field, "shortest", 1)
        if field.max_length:
            schema["maxLength"] = field.max_length
        return schema
