"""Filters, search and ordering of lists, validated as strictly as request bodies."""

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import filters as drf_filters
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from healthcare.api.pagination import Order, parameter
from healthcare.db.functions import fold
from healthcare.db.hooks import overridden
from healthcare.fields import GENDER_SPELLINGS, gender_spellings, validate_gender
from healthcare.search import MAX_LENGTH, MAX_WORDS, search


class FilterBackend(filters.DjangoFilterBackend):
    """Filter by the view's `filterset_class`; empty query parameters are ignored."""

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        if not request.query_params and not filterset_hooks(getattr(view, "filterset_class", None)):
            return queryset
        return super().filter_queryset(request, queryset, view)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        filterset = self.get_filterset_class(view, view.queryset)
        return [
            parameter(name, item.schema, getattr(item, "_label", None) or item.meaning, **item.example)
            if isinstance(item, Filter)
            else parameter(name, Filter.schema, "")
            for name, item in (filterset.base_filters.items() if filterset else ())
        ]


class SearchFilter(drf_filters.SearchFilter):
    """Find the words of `?search=` in the view's `search_fields`, as `healthcare.search` does.

    Views that list a small part of their table set `search_by_index = False`.
    """

    def filter_queryset(self, request: Request, queryset: QuerySet, view: APIView) -> QuerySet:
        fields = self.get_search_fields(view, request)
        text = request.query_params.get(self.search_param, "")
        if len(text) > MAX_LENGTH:
            raise ValidationError({self.search_param: [f"Must have at most {MAX_LENGTH} characters."]})
        if len(text.split()) > MAX_WORDS:
            raise ValidationError({self.search_param: [f"Must have at most {MAX_WORDS} words."]})
        return search(queryset, fields, text, getattr(view, "search_by_index", True)) if fields else queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        fields = getattr(view, "search_fields", None)
        if not fields:
            return []
        schema = {"type": "string", "maxLength": MAX_LENGTH}
        description = f"At most {MAX_WORDS} words to find, in any order, case and accents, in: {', '.join(fields)}."
        return [parameter(self.search_param, schema, description)]


class OrderingFilter(drf_filters.OrderingFilter):
    """Order by `?ordering=`, one of the view's `ordering_fields` with `-` for descending; ties are ordered by id.

    Nulls come last. A view's `ordering_prefix` names a column that is constant within a list and precedes the id in an
    index, so that the database reads the rows in index order.
    """

    def get_ordering(self, request: Request, queryset: QuerySet, view: Any) -> list[str]:
        wanted = request.query_params.get(self.ordering_param, "id") if request.META.get("QUERY_STRING") else "id"
        if wanted.removeprefix("-") not in view.ordering_fields:
            names = ", ".join(view.ordering_fields)
            raise ValidationError({self.ordering_param: [f"Must be one of {names}, with - for descending."]})
        return [wanted]

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        if view.detail:
            return queryset
        (ordering,) = self.get_ordering(request, queryset, view)
        return Order.of(queryset.model, ordering, view).sort(queryset)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        enum = [sign + name for name in view.ordering_fields for sign in ("", "-")]
        return [parameter(self.ordering_param, {"type": "string", "enum": enum}, "`-` for descending.")]


@cache
def filterset_hooks(filterset: Any) -> list[str]:
    """Return the names of what a FilterSet does even if the query has none of its parameters."""
    if filterset is None:
        return []
    filters_of = filterset.base_filters.items()
    return overridden(filterset, filters.FilterSet, ["__init__", "qs", "filter_queryset", "is_valid"]) + [
        name
        for name, item in filters_of
        if type(item).filter is not filters.Filter.filter or item.extra.get("required")
    ]


class IntegerFormField(forms.IntegerField):
    """A whole number in ASCII digits. Django also accepts digits of other scripts, and `3.0`."""

    default_error_messages = {"invalid": "Must be a whole number."}

    def to_python(self, value: Any) -> int | None:
        value = (value or "").strip()
        if value and not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise DjangoValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class Filter(filters.Filter):
    """A filter with its OpenAPI schema."""

    schema: dict[str, Any] = {"type": "string"}
    meaning = "Equal."
    # Importers send the example, and would make up a value without one where the schema has a format.
    example: dict[str, str] = {}


class IntegerFilter(Filter):
    field_class = IntegerFormField
    schema = {"type": "integer", "minimum": 1 - 10**18, "maximum": 10**18 - 1}


class FoldedFormField(forms.CharField):
    def to_python(self, value: Any) -> str:
        return fold(super().to_python(value) or "")


class FoldFilter(Filter):
    """Equal without regard to case."""

    meaning = "Equal without regard to case."
    field_class: type[forms.Field] = FoldedFormField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lookup_expr="fold", **kwargs)


class GenderFormField(forms.CharField):
    """A spelling of a gender; its value is the list of all spellings."""

    default_validators = [validate_gender]

    def clean(self, value: Any) -> list[str]:
        return gender_spellings(super().clean(value))


class GenderFilter(Filter):
    """A gender in any of its spellings: `male` finds `Male` and `M`."""

    schema = {"type": "string", "enum": list(GENDER_SPELLINGS)}
    meaning = "In any of its spellings: `male` finds `Male` and `M`."
    field_class = GenderFormField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lookup_expr="fold__in", **kwargs)


class UpdatedSinceFormField(forms.CharField):
    """A timestamp with a time zone (ISO 8601); its value is a query for the ids of the records changed since then."""

    default_error_messages = {"invalid": "Must be a timestamp with a time zone, such as 2026-01-02T03:04:05Z."}

    def __init__(self, *, model: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    def clean(self, value: Any) -> QuerySet | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            # A + that is not percent-encoded arrives as a space.
            timestamp = datetime.fromisoformat(text.replace(" ", "+"))
            if timestamp.tzinfo is None:
                raise ValueError(text)
            since = timestamp.astimezone(UTC)
        except (ValueError, OverflowError):
            raise DjangoValidationError(self.error_messages["invalid"], code="invalid") from None
        return self.model.history.filter(history_date__gte=since).values("id")


class UpdatedSinceFilter(Filter):
    """Records that were created, changed or restored at or after a timestamp, by their history."""

    schema = {"type": "string", "format": "date-time"}
    meaning = "Created, changed or restored at or after this timestamp. Deleted records are not in a list."
    example = {"example": "2026-01-02T03:04:05Z"}
    field_class = UpdatedSinceFormField

    def __init__(self, *, model: Any, **kwargs: Any) -> None:
        super().__init__(field_name="pk", lookup_expr="in", model=model, **kwargs)
