from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from doctors.models import Doctor, HistoricalDoctor
from doctors.serializers import DoctorSerializer
from healthcare.admin.filters import DateFilter, GenderFilter, RecordFilter, TextFilter
from healthcare.admin.history import HistoryAdmin
from healthcare.admin.pages import PageAdmin, Section
from healthcare.admin.resources import RecordResource
from healthcare.admin.spreadsheets import SpreadsheetAdmin
from healthcare.logs import log_access

# Number of patients listed on a doctor's page.
SHOWN = 20


class DoctorResource(RecordResource):
    serializer_class = DoctorSerializer


def page_of(patient: Any) -> str:
    return reverse("admin:patients_patient_page", args=[patient.pk])


@admin.register(Doctor)
class DoctorAdmin(SpreadsheetAdmin, PageAdmin):
    resource_classes = [DoctorResource]
    list_display = ["name", "specialization", "phone", "email", "owner"]
    list_filter = [
        ("specialization", TextFilter),
        ("gender", GenderFilter),
        ("user", RecordFilter),
        ("created_at", DateFilter),
    ]
    list_select_related = ["user"]
    search_fields = ["name", "specialization", "email", "phone", "address"]
    search_help_text = "Name, specialization, phone, e-mail, address or #id"
    autocomplete_fields = ["user"]
    readonly_fields = ["created_at"]
    banner_fields = ["specialization", "phone", "email"]
    page_fields = ["age", "gender", "address", "user", "created_at"]

    def details(self, record: Doctor) -> str:
        return ", ".join(filter(None, [record.specialization, record.phone, f"#{record.pk}"]))

    def choice_label(self, record: Doctor) -> str:
        return f"{record.name}, {self.details(record)}"

    def sections(self, request: HttpRequest, record: Any) -> list[Section]:
        """Return the patients assigned most recently."""
        if not request.user.has_perms(["patients.view_patient", "mappings.view_mapping"]):
            return []
        newest = list(record.mappings.select_related("patient").order_by("-id")[: SHOWN + 1])
        log_access(request, (mapping.patient_id for mapping in newest[:SHOWN]))
        patients = ((mapping.patient, mapping.assigned_at) for mapping in newest[:SHOWN])
        rows = [(page_of(patient), [patient.name, f"#{patient.pk}", patient.age, when]) for patient, when in patients]
        every = reverse("admin:mappings_mapping_changelist", query={"doctor__id__exact": record.pk})
        return [
            Section(
                "Patients", ["Name", "#", "Age", "Assigned"], rows, "None yet.", every if len(newest) > SHOWN else None
            )
        ]


@admin.register(HistoricalDoctor)
class DoctorHistoryAdmin(HistoryAdmin):
    search_fields = ["name", "specialization", "email"]
    search_help_text = "Name, specialization, e-mail or #id"
