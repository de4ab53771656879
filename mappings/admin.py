from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.urls import reverse

from doctors.models import Doctor
from healthcare.admin.filters import DateFilter, RecordFilter
from healthcare.admin.history import HistoryAdmin, restore
from healthcare.admin.pages import Section
from healthcare.admin.records import ChoicesAdmin, RecordAdmin
from healthcare.logs import log_access
from mappings.models import HistoricalMapping, Mapping
from patients.admin import PatientAdmin, PatientHistoryAdmin
from patients.models import HistoricalPatient, Patient

BY_DOCTOR = ("mappings__doctor", RecordFilter)


class PeopleAdmin(BaseModelAdmin):
    """Assignments: they name patients and doctors, so all permissions also require the permission to view both."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view_people(request) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return may_view_people(request) and super().has_add_permission(request, *args)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view_people(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view_people(request) and super().has_delete_permission(request, obj)


def may_view_people(request: HttpRequest) -> bool:
    """Return whether the user may view patients and doctors."""
    return all(admin.site.get_model_admin(model).has_view_permission(request) for model in (Patient, Doctor))


def may_view_assigned(request: HttpRequest) -> bool:
    """Return whether the user may see which doctors are assigned to a patient."""
    return admin.site.get_model_admin(Mapping).has_view_permission(request)


@admin.register(Mapping)
class MappingAdmin(PeopleAdmin, RecordAdmin):
    overview_date_field = "assigned_at"
    list_display = ["patient", "doctor", "owner", "assigned_at"]
    list_filter = [
        ("patient", RecordFilter),
        ("doctor", RecordFilter),
        ("user", RecordFilter),
        ("assigned_at", DateFilter),
    ]
    search_fields = ["patient__name", "doctor__name"]
    search_help_text = "Name of a patient or a doctor"
    autocomplete_fields = ["patient", "doctor", "user"]
    readonly_fields = ["assigned_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("patient", "doctor", "user")


@admin.register(HistoricalMapping)
class MappingHistoryAdmin(PeopleAdmin, HistoryAdmin):
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # With a join, a deleted patient or doctor is None; a separate query would raise an error.
        return super().get_queryset(request).select_related("history_user", "patient", "doctor")

    @admin.display(description="record")
    def record(self, version: HistoricalMapping) -> str:
        """Return the names of both, or the ids of deleted ones."""
        patient = version.patient or f"patient {version.patient_id}"
        return f"{patient} → {version.doctor or f'doctor {version.doctor_id}'}"


# Forms on a page, besides those of more existing assignments.
MAX_FORMS = 100


class AssignmentForm(forms.ModelForm):
    def validate_unique(self) -> None:
        """Also validate the unique pair; Django skips constraints that include the parent record."""
        super().validate_unique()
        try:
            self.instance.validate_constraints(exclude=self._get_validation_exclusions())
        except ValidationError as error:
            self.add_error(None, error)


class AssignmentFormSet(forms.BaseInlineFormSet):
    def total_form_count(self) -> int:
        """Return the number of forms; raise BadRequest for more than the page allows, as each takes milliseconds."""
        count = super().total_form_count()
        if self.is_bound and count > len(self.get_queryset()) + MAX_FORMS:
            raise BadRequest
        return count

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        if forms.formsets.DELETION_FIELD_NAME in form.fields:
            form.fields[forms.formsets.DELETION_FIELD_NAME].widget.attrs["aria-label"] = "Remove"


class AssignedDoctors(PeopleAdmin, ChoicesAdmin, admin.TabularInline):
    model = Mapping
    form = AssignmentForm
    formset = AssignmentFormSet
    extra = 0
    max_num = MAX_FORMS
    verbose_name = "assigned doctor"
    verbose_name_plural = "assigned doctors"
    fields = ["doctor", "added_by", "assigned_at"]
    readonly_fields = ["added_by", "assigned_at"]
    autocomplete_fields = ["doctor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("patient", "doctor", "user")

    @admin.display(description="added by")
    def added_by(self, record: Mapping) -> str:
        return record.user.name

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False: assignments can only be added or removed."""
        return False


def deleted_with(version: HistoricalPatient) -> QuerySet:
    """Return the versions of the assignments that were deleted with a patient."""
    # Versions do not record their transaction, so take those that the same user deleted at about the same time.
    margin = timedelta(seconds=2)
    return Mapping.history.filter(
        patient_id=version.id,
        history_type="-",
        history_user=version.history_user_id,
        history_date__range=(version.history_date - margin, version.history_date + margin),
    ).order_by("history_id")


admin.site.unregister([Patient, HistoricalPatient])


@admin.register(Patient)
class PatientWithDoctorsAdmin(PatientAdmin):
    """The patient's admin, extended here because `patients` does not import `mappings`."""

    inlines = [AssignedDoctors]
    list_filter = [*PatientAdmin.list_filter[:1], BY_DOCTOR, *PatientAdmin.list_filter[1:]]

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Omit the filter by doctor from users who may not view assignments and doctors."""
        shown = super().get_list_filter(request)
        return shown if may_view_assigned(request) else [item for item in shown if item != BY_DOCTOR]

    def get_inline_formsets(self, request: HttpRequest, formsets: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Also add the ids of the assigned doctors to the request log."""
        doctors = (form.instance.doctor_id for formset in formsets for form in formset.initial_forms)
        log_access(request, filter(None, doctors))
        return super().get_inline_formsets(request, formsets, *args, **kwargs)

    def related_history(self, request: HttpRequest, object_id: int) -> list[QuerySet]:
        if not may_view_assigned(request):
            return []
        return [Mapping.history.filter(patient_id=object_id).select_related("patient", "doctor")]

    def sections(self, request: HttpRequest, record: Patient) -> list[Section]:
        others = super().sections(request, record)
        if not may_view_assigned(request):
            return others
        assigned = record.mappings.select_related("doctor", "user").order_by("-id")
        log_access(request, (row.doctor_id for row in assigned))
        rows = [
            (
                reverse("admin:doctors_doctor_page", args=[row.doctor_id]),
                [row.doctor.name, row.doctor.specialization, row.doctor.phone, row.assigned_at, row.user.name],
            )
            for row in assigned
        ]
        columns = ["Name", "Specialization", "Phone", "Assigned", "Added by"]
        doctors = Section("Doctors", columns, rows, "None assigned yet.")
        return [doctors, *others]


@admin.register(HistoricalPatient)
class PatientWithDoctorsHistoryAdmin(PatientHistoryAdmin):
    def restore_related(self, version: HistoricalPatient, user: Any) -> str:
        """Restore the assignments that were deleted with the patient, except to doctors that no longer exist."""
        deletions = deleted_with(version)
        if not user.has_perm("mappings.add_mapping"):
            return " without assigned doctors, which you may not add" if deletions.exists() else ""
        restored, failed = 0, 0
        for deletion in deletions:
            try:
                restore(deletion, user)
                restored += 1
            except ValidationError:
                failed += 1
        parts = [f" with {restored} assigned doctor{pluralize(restored)}" if restored else ""]
        parts += [f" without {failed} doctor{pluralize(failed)} that cannot be assigned again" if failed else ""]
        return " and".join(filter(None, parts))
