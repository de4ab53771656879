"""Detect serializers that only read and write columns, and so need no model instance."""

from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from rest_framework import relations
from rest_framework import serializers as drf
from rest_framework.settings import api_settings

from healthcare.api import serializers
from healthcare.db.hooks import overridden

# {to_representation of a serializer field: model fields whose column value it returns unchanged}
KINDS: dict[Any, tuple[type[models.Field], ...]] = {
    drf.BigIntegerField.to_representation: (models.IntegerField,),  # type: ignore[attr-defined]  # not in the stubs
    drf.BooleanField.to_representation: (models.BooleanField,),
    drf.CharField.to_representation: (models.CharField, models.TextField),
    drf.DateTimeField.to_representation: (models.DateTimeField,),
    drf.IntegerField.to_representation: (models.IntegerField, models.ForeignKey),
    relations.PrimaryKeyRelatedField.to_representation: (models.ForeignKey,),
}
GET_ATTRIBUTES = {drf.Field.get_attribute, relations.PrimaryKeyRelatedField.get_attribute}
READ_METHODS = ("fields", "data", "to_representation", "_readable_fields")
SAVE_METHODS = ("create", "update", "save", "is_valid", "_writable_fields")
MODULES = {drf.Field.__module__, relations.__name__, serializers.__name__}


@cache
def columns(serializer: type[Any], model: Any) -> dict[str, str] | None:
    """Return {key of the response: attribute of `model`}, or None if the response has other values than columns."""
    if not issubclass(serializer, serializers.ModelSerializer) or serializer.Meta.model is not model:
        return None
    fields = serializer.template()
    if fields is None or overridden(serializer, serializers.ModelSerializer, READ_METHODS):
        return None
    found = {name: column(field, model) for name, field in fields.items() if not field.write_only}
    return None if None in found.values() else found  # type: ignore[return-value]


def column(field: Any, model: Any) -> str | None:
    """Return the attribute of `model` whose value `field` returns unchanged, or None."""
    kinds = KINDS.get(type(field).to_representation)
    formatted = isinstance(field, drf.DateTimeField) and (hasattr(field, "format") or api_settings.DATETIME_FORMAT)
    converted = formatted or getattr(field, "pk_field", None) or getattr(field, "coerce_to_string", False)
    if not kinds or converted or type(field).get_attribute not in GET_ATTRIBUTES:
        return None
    try:
        source: Any = model._meta.get_field(field.source)
    except FieldDoesNotExist:
        return None
    to_another_key = source.is_relation and source.concrete and not source.target_field.primary_key
    return source.attname if isinstance(source, kinds) and not to_another_key else None


def serializer_write_hooks(serializer: Any, model: Any, action: str) -> list[str]:
    """Return what a serializer defines that a compiled create or update would skip."""
    base = serializers.ModelSerializer
    hooks = overridden(serializer, base, SAVE_METHODS)
    attributes = {field.attname for field in model._meta.concrete_fields}
    fields = {name: field for name, field in (serializer.template() or {}).items() if not field.read_only}
    hooks += [name for name, field in fields.items() if field.source not in attributes]
    if action == "update":
        # They may use `instance`, which compiled SQL does not provide.
        validators = [name for name in dir(serializer) if name.startswith("validate")]
        hooks += overridden(serializer, base, [*validators, "to_internal_value", "run_validation", "get_validators"])
        hooks += ["Meta.validators"] if getattr(serializer.Meta, "validators", None) else []
        hooks += [name for name, field in fields.items() if needs_instance(field)]
    return hooks


def needs_instance(field: Any) -> bool:
    """Return whether validating `field` may depend on the record that is updated."""
    validators = [*field.validators, field.default]
    return type(field).__module__ not in MODULES or any(getattr(v, "requires_context", False) for v in validators)
