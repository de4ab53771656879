"""Serializers that take what JSON says literally, and whose answer is a plain list of columns."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.db import models
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings
from rest_framework.utils.serializer_helpers import BindingDict

from healthcare import fields


class CharField(serializers.CharField):
    """A JSON string. DRF would take a number for one."""

    default_error_messages = {"invalid": "Not a valid string: send one text, in double quotes."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class EmailField(CharField, serializers.EmailField):
    default_error_messages = {"invalid": "Enter a valid email address, such as name@example.com."}


class GenderField(CharField):
    default_error_messages = dict.fromkeys(["invalid", "blank", "null"], fields.GENDER_MESSAGE)


class PhoneField(CharField):
    """A phone number with or without separators; their dropping is what the value becomes."""

    def __init__(self, **kwargs: Any) -> None:
        # The digits are counted by the pattern, and after the separators are dropped.
        super().__init__(**{**kwargs, "max_length": None})

    def to_internal_value(self, data: Any) -> str:
        return fields.plain_phone(super().to_internal_value(data))


class AddressField(CharField):
    """A text of several lines, whose line ends become line feeds."""

    def to_internal_value(self, data: Any) -> str:
        return fields.plain_lines(super().to_internal_value(data))


class IntegerField(serializers.IntegerField):
    """A JSON integer, or a string of ASCII digits. DRF would take `true`, `3.0` and `"٣"` too."""

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


class Serializer(serializers.Serializer):
    # Says in JSON's words what a body is. No docstring: OpenAPI would tell it of every subclass.

    def run_validation(self, data: Any = empty) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(
                {api_settings.NON_FIELD_ERRORS_KEY: ['The body must be a JSON object: {"key": value, ...}.']}
            )
        return super().run_validation(data)


class ModelSerializer(Serializer, serializers.ModelSerializer):
    # Of strict fields; leaves uniqueness to the database.

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: CharField,
        models.TextField: CharField,
        models.EmailField: EmailField,
        models.PositiveSmallIntegerField: IntegerField,
        fields.AddressField: AddressField,
        fields.PhoneField: PhoneField,
        fields.GenderField: GenderField,
    }

    @property
    def fields(self) -> BindingDict:
        """Return the fields, made and bound once: DRF would derive them from the model anew for every request.

        Requests share them: a field sees whether a body is `partial`, but no request, no `context` and no `instance`.
        """
        return self._fields_once(self.partial)

    @classmethod
    @cache
    def _fields_once(cls, partial: bool) -> BindingDict:
        return super(ModelSerializer, cls(partial=partial)).fields

    def get_validators(self) -> list[Any]:
        """Return none: DRF's ask whether a value is taken, which costs a query and does not stop a race."""
        return []

    def update(self, instance: models.Model, validated_data: dict[str, Any]) -> models.Model:
        """Set and save what differs, if anything does; never insert, so that a deleted record stays deleted."""
        changed = {name: value for name, value in validated_data.items() if getattr(instance, name) != value}
        for name, value in changed.items():
            setattr(instance, name, value)
        if changed:
            instance.save(force_update=True, update_fields=list(changed))
        return instance

    @classmethod
    @cache
    def columns(cls) -> dict[str, str]:
        """Return {key of the answer: attribute of the model}, in the order of the answer."""
        model: Any = cls.Meta.model
        return {name: model._meta.get_field(name).attname for name in cls.Meta.fields}

    @classmethod
    def answer(cls, instance: models.Model) -> dict[str, Any]:
        """Return {key: value} of the record, in the order of the answer."""
        return {name: getattr(instance, attname) for name, attname in cls.columns().items()}


class DetailSerializer(serializers.Serializer):
    """What a deed without a record to show answers, and every error that is about no field."""

    detail = serializers.CharField()


class ChangeSerializer(serializers.Serializer):
    field = serializers.CharField()
    old = serializers.JSONField(allow_null=True, help_text="null where there was none")
    new = serializers.JSONField(allow_null=True)


class VersionSerializer(serializers.Serializer):
    """One version of a record."""

    id = serializers.IntegerField()
    action = serializers.CharField(help_text="created, changed, deleted or restored")
    at = serializers.DateTimeField()
    by = serializers.IntegerField(allow_null=True, help_text="The id of the user who did it.")
    changes = ChangeSerializer(many=True)
