"""The kinds of filter that lists have, as strict as the bodies of requests."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django_filters import rest_framework as filters

from healthcare.db.functions import fold
from healthcare.fields import gender_spellings, validate_gender


class IntegerFormField(forms.IntegerField):
    """A whole number in ASCII digits. Django's takes any script's digits, and `3.0` for 3."""

    default_error_messages = {"invalid": "Must be a whole number."}

    def to_python(self, value: Any) -> int | None:
        if value and not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class IntegerFilter(filters.Filter):
    field_class = IntegerFormField


class FoldedFormField(forms.CharField):
    def to_python(self, value: Any) -> str:
        return fold(super().to_python(value) or "")


class FoldFilter(filters.Filter):
    """Equal without regard to case."""

    field_class: type[forms.Field] = FoldedFormField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lookup_expr="fold", **kwargs)


class GenderFormField(forms.CharField):
    """A spelling of a gender; its value is the list of all spellings."""

    default_validators = [validate_gender]

    def clean(self, value: Any) -> list[str]:
        return gender_spellings(super().clean(value))


class GenderFilter(filters.Filter):
    """A gender in any of its spellings: `male` finds `Male` and `M`."""

    field_class = GenderFormField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lookup_expr="fold__in", **kwargs)
