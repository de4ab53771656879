from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from healthcare.admin import HistoryAdmin, RecordAdmin
from mappings.models import HistoricalMapping, Mapping
from patients.admin import PatientAdmin


@admin.register(Mapping)
class MappingAdmin(RecordAdmin):
    came_in = "assigned_at"
    list_display = ["id", "patient", "doctor", "user", "assigned_at"]
    list_display_links = ["id", "patient"]
    list_filter = ["assigned_at"]
    list_select_related = ["patient", "doctor", "user"]
    search_fields = ["patient__name", "doctor__name"]
    search_help_text = "Part of the name of a patient or a doctor."
    autocomplete_fields = ["patient", "doctor", "user"]
    readonly_fields = ["assigned_at"]


@admin.register(HistoricalMapping)
class MappingHistoryAdmin(HistoryAdmin):
    pass


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
        return super().get_queryset(request).select_related("doctor", "user")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """An assignment is made or removed; there is nothing in it to change."""
        return False


# Said here, as patients know nothing of mappings.
PatientAdmin.inlines = [AssignedDoctors]
