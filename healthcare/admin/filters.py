"""Filters of the admin's lists, shown as one form above the list (`admin/change_list.html`)."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.cache import cache
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from healthcare.db.functions import fold
from healthcare.fields import GENDERS, ID, gender_spellings
from healthcare.logs import log_access

SUGGESTIONS = 200
SUGGESTION_SECONDS = 600


def start_of(day: date) -> datetime:
    """Return the start of a day in TIME_ZONE."""
    return timezone.make_aware(datetime.combine(day, time.min))


class DayField(forms.DateField):
    """A day whose start and end are timestamps in every time zone."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput({"type": "date"}, "%Y-%m-%d")
        limits = [MinValueValidator(date(1000, 1, 1)), MaxValueValidator(date(9998, 12, 31))]
        super().__init__(required=False, widget=widget, validators=limits, **kwargs)


class RecordSelect(AutocompleteSelect):
    """An autocomplete field that shows no choice for a value that is no id."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        return super().optgroups(name, [item for item in value if not item or re.fullmatch(ID, item)], attrs)


class FilterForm(forms.Form):
    def __init__(self, form_fields: dict[str, forms.Field], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "filter_%s", **kwargs})
        self.fields.update(form_fields)


class FormFilter(admin.FieldListFilter):
    """A filter with form fields, {query parameter: field}, whose values become lookups."""

    template = "admin/filters/form.html"

    def __init__(
        self,
        field: Field,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: admin.ModelAdmin,
        field_path: str,
    ) -> None:
        self.field, self.field_path, self.model_admin, self.request = field, field_path, model_admin, request
        self.form = FilterForm(self.form_fields(), request.GET)
        super().__init__(field, request, params, model, model_admin, field_path)

    def form_fields(self) -> dict[str, forms.Field]:
        raise NotImplementedError

    def lookups(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the queryset lookups for the non-empty `values` of the form."""
        return values

    def expected_parameters(self) -> list[str | None]:
        return list(self.form.fields)

    def choices(self, changelist: Any) -> Iterator[Any]:
        return iter(())

    def values(self) -> dict[str, Any]:
        if not self.form.is_valid():
            raise IncorrectLookupParameters
        return {name: value for name, value in self.form.cleaned_data.items() if value not in (None, "")}

    def chosen(self) -> list[tuple[str, str, str]]:
        """Return (parameter, label, value) of each active value."""
        labels = {name: str(field.label) for name, field in self.form.fields.items()}
        return [(name, labels[name], self.label_of(value)) for name, value in self.values().items()]

    def label_of(self, value: Any) -> str:
        return str(value)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(**self.lookups(self.values()))


class ChoiceFilter(FormFilter):
    """Filter by one of the field's choices."""

    def options(self) -> list[tuple[str, str]]:
        return list(self.field.flatchoices)

    def form_fields(self) -> dict[str, forms.Field]:
        field = forms.ChoiceField(
            choices=[("", "All"), *self.options()], required=False, label=self.field.verbose_name.capitalize()
        )
        return {f"{self.field_path}__exact": field}

    def label_of(self, value: str) -> str:
        return dict(self.options())[value]


class YesNoFilter(ChoiceFilter):
    def options(self) -> list[tuple[str, str]]:
        return [("1", "Yes"), ("0", "No")]

    def lookups(self, values: dict[str, str]) -> dict[str, bool]:
        return {name: value == "1" for name, value in values.items()}


class GenderFilter(ChoiceFilter):
    """Filter by gender, in any spelling; Django's filter would scan the whole table for distinct values."""

    def options(self) -> list[tuple[str, str]]:
        return [(gender, gender.capitalize()) for gender in GENDERS]

    def form_fields(self) -> dict[str, forms.Field]:
        (field,) = super().form_fields().values()
        return {self.field_path: field}

    def lookups(self, values: dict[str, str]) -> dict[str, Any]:
        return {f"{name}__fold__in": gender_spellings(value) for name, value in values.items()}


class DateFilter(FormFilter):
    """Filter by a range of days, inclusive."""

    def form_fields(self) -> dict[str, forms.Field]:
        name = self.field.verbose_name.capitalize()
        ends = {"from": f"{name} from", "to": f"{name} to"}
        return {f"{self.field_path}__{end}": DayField(label=label) for end, label in ends.items()}

    def lookups(self, values: dict[str, date]) -> dict[str, datetime]:
        first, last = (values.get(f"{self.field_path}__{end}") for end in ("from", "to"))
        return {
            **({f"{self.field_path}__gte": start_of(first)} if first else {}),
            **({f"{self.field_path}__lt": start_of(last + timedelta(days=1))} if last else {}),
        }


class Suggestions(forms.TextInput):
    """A text input with a datalist."""

    def __init__(self, options: list[str], attrs: dict[str, Any]) -> None:
        super().__init__(attrs)
        self.options = options

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        options = format_html_join("", "<option>{}</option>", ((option,) for option in self.options))
        line = super().render(name, value, {**(attrs or {}), "list": f"{name}-suggestions"}, renderer)
        return format_html('{}<datalist id="{}-suggestions">{}</datalist>', line, name, options)


class TextFilter(FormFilter):
    """Filter by part of a text, ignoring case; suggests existing values, which are cached."""

    def form_fields(self) -> dict[str, forms.Field]:
        label = self.field.verbose_name.capitalize()
        widget = Suggestions(self.suggestions(), {"size": 20})
        return {self.field_path: forms.CharField(required=False, label=label, widget=widget, max_length=100)}

    def suggestions(self) -> list[str]:
        key = f"suggestions:{self.field.model._meta.label_lower}.{self.field.name}"
        values = self.field.model._default_manager.order_by(self.field.name).values_list(self.field.name, flat=True)
        found: Any = cache.get_or_set(key, lambda: list(values.distinct()[:SUGGESTIONS]), SUGGESTION_SECONDS)
        return found

    def lookups(self, values: dict[str, str]) -> dict[str, str]:
        return {f"{name}__fold__contains": fold(value) for name, value in values.items()}


def choice_label(request: HttpRequest, record: Model) -> str:
    """Return the `choice_label` of the record's admin, and log its id; without permission to view it, only the id."""
    model_admin = admin.site.get_model_admin(type(record))
    if not model_admin.has_view_permission(request, record):
        return f"#{record.pk}"
    log_access(request, [record.pk])
    # The admin of groups is Django's.
    return getattr(model_admin, "choice_label", str)(record)


class RecordChoiceField(forms.ModelChoiceField):
    """A choice of records, labelled for the user of a request."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def label_from_instance(self, obj: Model) -> str:
        return choice_label(self.request, obj)


class RecordFilter(FormFilter):
    """Filter by a related record, selected by autocomplete."""

    def form_fields(self) -> dict[str, forms.Field]:
        field = RecordChoiceField(
            self.request,
            self.related()._default_manager.all(),
            required=False,
            label=self.field.verbose_name.capitalize(),
            widget=RecordSelect(self.field, self.model_admin.admin_site, {"data-width": "15em"}),
        )
        return {f"{self.field_path}__id__exact": field}

    def related(self) -> Any:
        return self.field.related_model

    def has_output(self) -> bool:
        """Return whether the user may search the related records."""
        return admin.site.get_model_admin(self.related()).has_view_permission(self.request)

    def label_of(self, value: Model) -> str:
        return choice_label(self.request, value)

    def lookups(self, values: dict[str, Model]) -> dict[str, Any]:
        return {name: value.pk for name, value in values.items()}
