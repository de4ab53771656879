"""Serializers and fields that accept fewer JSON types than DRF's and derive their fields once per class."""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings
from rest_framework.utils.serializer_helpers import BindingDict

from healthcare import fields
from healthcare.db.hooks import overridden

# Longer text is refused before it is normalised and validated, because each step takes time for every character.
LONGEST_TEXT = 10_000


class CharField(serializers.CharField):
    """A JSON string; DRF would also accept a number."""

    default_error_messages = {"invalid": "Not a valid string: send a JSON string in double quotes."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if len(data) > max(self.max_length or 0, LONGEST_TEXT):
            self.fail("max_length", max_length=self.max_length or LONGEST_TEXT)
        return super().to_internal_value(data)


class EmailField(CharField, serializers.EmailField):
    default_error_messages = {"invalid": "Enter a valid email address, such as name@example.com."}


class GenderField(CharField):
    default_error_messages = dict.fromkeys(["invalid", "blank", "null"], fields.GENDER_MESSAGE)


class PhoneField(CharField):
    """A phone number as text, with or without separators, or as a JSON integer; separators are removed."""

    default_error_messages = {
        "invalid": fields.PHONE_MESSAGE,
        "number": "This is a number with decimals. Send the phone number as text, or as a whole number.",
    }

    def __init__(self, **kwargs: Any) -> None:
        # The validator limits the digits, after separators are removed.
        super().__init__(**{**kwargs, "max_length": None})

    def to_internal_value(self, data: Any) -> str:
        if type(data) is int and 0 <= data < 10**fields.MAX_PHONE_DIGITS:
            data = str(data)
        elif type(data) is float:
            self.fail("number")
        return fields.plain_phone(super().to_internal_value(data))


class AddressField(CharField):
    """Multi-line text; line ends become line feeds."""

    def to_internal_value(self, data: Any) -> str:
        return fields.plain_lines(super().to_internal_value(data))


class IntegerField(serializers.IntegerField):
    """A JSON integer or a string of ASCII digits; DRF would also accept `true`, `3.0` and `"٣"`."""

    default_error_messages = {"invalid": "Must be a whole number."}

    def __init__(self, **kwargs: Any) -> None:
        lowest, highest = kwargs.get("min_value"), kwargs.get("max_value")
        if None not in (lowest, highest):
            message = f"Must be a whole number from {lowest} to {highest}."
            kwargs["error_messages"] = dict.fromkeys(["invalid", "min_value", "max_value"], message)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is int or (isinstance(data, str) and re.fullmatch(r"-?[0-9]{1,18}", data)):
            return int(data)
        return self.fail("invalid")


class SmallIntegerField(IntegerField):
    """A whole number; also accepts `30.0`, which is the same number in JSON."""

    def to_internal_value(self, data: Any) -> int:
        return super().to_internal_value(int(data) if type(data) is float and data.is_integer() else data)


# The base classes have no docstrings, because OpenAPI would repeat them for each subclass.
class Serializer(serializers.Serializer):
    def run_validation(self, data: Any = empty) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(
                {api_settings.NON_FIELD_ERRORS_KEY: ['The body must be a JSON object: {"key": value, ...}.']}
            )
        if prefers_strict(self.context.get("request")):
            message = f"Unknown field. Allowed: {', '.join(self.fields)}."
            unknown = {name[:100]: [message] for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().run_validation(data)


def prefers_strict(request: Any) -> bool:
    """Return whether a request has `Prefer: handling=strict` (RFC 7240, section 4.4)."""
    header = request.META.get("HTTP_PREFER") if request else None
    if not header:
        return False
    preferences = (preference.partition(";")[0] for preference in header.split(","))
    return any(re.fullmatch(r'handling\s*=\s*"?strict"?', text.strip(), re.IGNORECASE) for text in preferences)


class ModelSerializer(Serializer, serializers.ModelSerializer):
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: CharField,
        models.TextField: CharField,
        models.EmailField: EmailField,
        models.PositiveSmallIntegerField: SmallIntegerField,
        fields.AddressField: AddressField,
        fields.PhoneField: PhoneField,
        fields.GenderField: GenderField,
    }

    @cached_property
    def fields(self) -> BindingDict:
        """Return copies of the fields, which are derived from the model once per class."""
        template = self.template()
        if template is None:
            return super().fields
        fields = BindingDict(self)
        for name, field in template.items():
            copy = object.__new__(type(field))
            copy.__dict__ = {**field.__dict__, "parent": self, "_validators": field._validators[:]}
            fields.fields[name] = copy
        return fields

    @classmethod
    @cache
    def template(cls) -> dict[str, Any] | None:
        """Return the fields to copy, or None if they may differ between requests."""
        shape = [name for name in dir(serializers.ModelSerializer) if name.startswith(("get_", "build_", "include_"))]
        if overridden(cls, ModelSerializer, ["__init__", *shape]):
            return None
        fields = super(ModelSerializer, cls()).fields.fields
        nested = (
            serializers.BaseSerializer,
            serializers.ListField,
            serializers.DictField,
            serializers.ManyRelatedField,
        )
        for field in fields.values():
            # Evaluate the property now; DRF would do it for each copy.
            field.validators = field.validators[:]
        return None if any(isinstance(field, nested) for field in fields.values()) else fields

    def get_validators(self) -> list[Any]:
        """Return `Meta.validators` only; DRF's uniqueness validators cost a query and cannot prevent races."""
        return list(getattr(self.Meta, "validators", ()))

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        """Save the record if a value changes; otherwise its history would get a version without changes."""
        if all(getattr(instance, name, None) == value for name, value in validated_data.items()):
            return instance
        return super().update(instance, validated_data)


class DetailSerializer(serializers.Serializer):
    """The result of an action that returns no record, or an error that concerns no field."""

    detail = serializers.CharField()


@extend_schema_field({"description": "Any JSON value; null if there is none."})
class ValueField(serializers.JSONField):
    pass


class FieldChangeSerializer(serializers.Serializer):
    field = serializers.CharField()
    old = ValueField()
    new = ValueField()


class RecordVersionSerializer(serializers.Serializer):
    """One version of a record."""

    id = serializers.IntegerField()
    action = serializers.CharField(help_text="created, changed, deleted or restored")
    at = serializers.DateTimeField()
    by = serializers.IntegerField(allow_null=True, help_text="The id of the user who made the change.")
    changes = FieldChangeSerializer(many=True)
