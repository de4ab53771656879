from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from healthcare.admin.filters import DateFilter, GenderFilter, RecordFilter, YesNoFilter
from healthcare.admin.history import HistoryAdmin
from healthcare.admin.pages import PageAdmin, Section
from healthcare.admin.records import RecordForm
from healthcare.admin.resources import RecordResource
from healthcare.admin.spreadsheets import SpreadsheetAdmin
from healthcare.fields import GENDER_SPELLINGS
from healthcare.logs import log_access
from patients.models import HistoricalPatient, Patient
from patients.serializers import PatientSerializer

# Number of possible duplicates that a form or page lists.
SHOWN = 5
# Up to this many ids are loaded and passed to both queries.
MOST = 5000


class PatientResource(RecordResource):
    serializer_class = PatientSerializer


class PatientForm(RecordForm):
    # The request, if its user may see the possible duplicates.
    request: HttpRequest | None = None
    another_person = forms.BooleanField(
        label="This is another person", required=False, widget=forms.HiddenInput, help_text="Save anyway."
    )

    def clean(self) -> dict[str, Any] | None:
        """Report possible duplicates once, before a new patient or a change that creates one is saved."""
        cleaned = super().clean()
        compared = {"name", "age", "phone"}
        if compared & set(self.errors) or not compared & set(self.changed_data) or self.cleaned_data["another_person"]:
            return cleaned
        values = {name: self.cleaned_data[name] for name in compared}
        found = list(Patient.objects.duplicates_of(Patient(pk=self.instance.pk, **values))[:SHOWN])
        if found:
            self.fields["another_person"].widget = forms.CheckboxInput()
            self.duplicates = found
            listed = format_html(": {}", linked(found)) if self.request else ""
            if self.request:
                log_access(self.request, (patient.pk for patient in found))
            raise ValidationError(format_html("Possible duplicates{}. Nothing was saved yet.", listed))
        return cleaned


def linked(patients: list[Patient]) -> str:
    """Return links to the pages of `patients`."""
    pages = ((reverse("admin:patients_patient_page", args=[p.pk]), p.name, details(p)) for p in patients)
    return format_html_join("; ", '<a href="{}" target="_blank">{}</a>, {}', pages)


def details(patient: Patient) -> str:
    gender = GENDER_SPELLINGS[patient.gender.lower()]
    return ", ".join(filter(None, [str(patient.age), gender, patient.phone, f"#{patient.pk}"]))


class DuplicateFilter(YesNoFilter):
    """Filter by patients with possible duplicates (`PatientQuerySet.ids_with_duplicates`)."""

    def form_fields(self) -> dict[str, forms.Field]:
        choices = [("", "All"), ("1", "Possible duplicates only")]
        return {"duplicates": forms.ChoiceField(choices=choices, required=False, label="Duplicates")}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.values():
            return queryset
        found = Patient.objects.ids_with_duplicates()
        # Once for the list and its count, unless the query would have too many parameters.
        ids = list(found[: MOST + 1])
        return queryset.filter(pk__in=ids if len(ids) <= MOST else found)


@admin.register(Patient)
class PatientAdmin(SpreadsheetAdmin, PageAdmin):
    form = PatientForm
    resource_classes = [PatientResource]
    list_display = ["name", "number", "age", "gender", "phone", "owner", "created_at"]
    list_filter = [
        ("gender", GenderFilter),
        ("user", RecordFilter),
        ("created_at", DateFilter),
        ("phone", DuplicateFilter),
    ]
    list_select_related = ["user"]
    search_fields = ["name", "phone", "email", "address"]
    search_help_text = "Name, phone, e-mail, address or #id"
    autocomplete_fields = ["user"]
    readonly_fields = ["created_at"]
    banner_fields = ["age", "gender", "phone"]
    page_fields = ["address", "email", "user", "created_at"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.request = request if self.has_view_permission(request) else None
        return form

    def details(self, record: Patient) -> str:
        return details(record)

    def sections(self, request: HttpRequest, record: Patient) -> list[Section]:
        found = list(Patient.objects.duplicates_of(record).order_by("id")[:SHOWN])
        log_access(request, (patient.pk for patient in found))
        rows = [(self.url_of(patient), [patient.name, details(patient)]) for patient in found]
        return [Section("Possible duplicates", ["Name", "Details"], rows)] if rows else []


@admin.register(HistoricalPatient)
class PatientHistoryAdmin(HistoryAdmin):
    search_fields = ["name", "phone", "email"]
    search_help_text = "Name, phone, e-mail or #id"
