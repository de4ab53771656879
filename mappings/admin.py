from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize

from healthcare.admin.records import HistoryAdmin, RecordAdmin
from mappings.models import HistoricalMapping, Mapping
from patients.admin import PatientAdmin, PatientHistoryAdmin
from patients.models import HistoricalPatient, Patient


@admin.register(Mapping)
class MappingAdmin(RecordAdmin):
    came_in = "assigned_at"
    called = "Assignments"
    list_display = ["id", "patient", "doctor", "owner", "assigned_at"]
    list_display_links = ["id", "patient"]
    list_filter = ["assigned_at"]
    search_fields = ["patient__name", "doctor__name"]
    search_help_text = "Part of the name of a patient or a doctor."
    autocomplete_fields = ["patient", "doctor", "user"]
    readonly_fields = ["assigned_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("patient", "doctor", "user")


@admin.register(HistoricalMapping)
class MappingHistoryAdmin(HistoryAdmin):
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # Joined, one that is gone is None; looked up, it would be an error.
        return super().get_queryset(request).select_related("history_user", "patient", "doctor")

    @admin.display(description="record")
    def record(self, version: HistoricalMapping) -> str:
        """Name both; of one that is gone, nothing but its id is known here."""
        patient = version.patient or f"patient {version.patient_id}"
        return f"{patient} → {version.doctor or f'doctor {version.doctor_id}'}"


class AssignmentForm(forms.ModelForm):
    def validate_unique(self) -> None:
        """Check the pair, too: Django leaves constraints with the record of the page itself unchecked."""
        super().validate_unique()
        try:
            self.instance.validate_constraints(exclude=self._get_validation_exclusions())
        except ValidationError as error:
            self.add_error(None, error)


class AssignedDoctors(admin.StackedInline):
    model = Mapping
    form = AssignmentForm
    extra = 0
    verbose_name = "assigned doctor"
    verbose_name_plural = "assigned doctors"
    fields = ["doctor", "user", "assigned_at"]
    readonly_fields = ["user", "assigned_at"]
    autocomplete_fields = ["doctor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("patient", "doctor", "user")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """An assignment is made or removed; there is nothing in it to change."""
        return False


def unassigned(version: Any) -> str:
    """Say how many doctors were assigned to a patient until they were deleted."""
    # Nothing says which deletion belongs to which: with the patient go those of the same user, just before.
    deletions = Mapping.history.filter(
        patient_id=version.id,
        history_type="-",
        history_user=version.history_user_id,
        history_date__range=(version.history_date - timedelta(seconds=2), version.history_date),
    )
    deletions = deletions.values("doctor_id").distinct().count()
    if not deletions:
        return ""
    return f", without the {deletions} doctor{pluralize(deletions, ' who was,s who were')} assigned"


admin.site.unregister([Patient, HistoricalPatient])


@admin.register(Patient)
class PatientWithDoctorsAdmin(PatientAdmin):
    """The patient's admin, extended here because `patients` does not import `mappings`."""

    inlines = [AssignedDoctors]


@admin.register(HistoricalPatient)
class PatientWithDoctorsHistoryAdmin(PatientHistoryAdmin):
    def restore_note(self, version: HistoricalPatient) -> str:
        return unassigned(version)
