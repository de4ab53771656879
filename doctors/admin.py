from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from doctors.models import Doctor, HistoricalDoctor
from doctors.serializers import DoctorSerializer
from healthcare.admin.filters import DateFilter, GenderFilter, RecordFilter, TextFilter
from healthcare.admin.history import HistoryAdmin
from healthcare.admin.resources import RecordResource
from healthcare.admin.spreadsheets import SpreadsheetAdmin
from healthcare.logs import log_access

# Of a doctor's patients, how many the doctor's page names.
SHOWN = 20


class DoctorResource(RecordResource):
    serializer_class = DoctorSerializer


@admin.register(Doctor)
class DoctorAdmin(SpreadsheetAdmin):
    resource_classes = [DoctorResource]
    in_site_search = True
    list_display = ["name", "number", "specialization", "phone", "email", "owner"]
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

    def details(self, record: Doctor) -> str:
        return ", ".join(filter(None, [record.specialization, record.phone, f"#{record.pk}"]))

    def choice_label(self, record: Doctor) -> str:
        return f"{record.name}, {self.details(record)}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        may_view = request.user.has_perms(["patients.view_patient", "mappings.view_mapping"])
        return [*super().get_readonly_fields(request, obj), *(["patients"] if obj and may_view else [])]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the doctor with the mappings that the page names, whose patients the log names, too."""
        doctor: Any = super().get_object(request, object_id, from_field)
        if doctor and "patients" in self.get_readonly_fields(request, doctor):
            doctor.newest = list(doctor.mappings.select_related("patient").order_by("-id")[: SHOWN + 1])
            log_access(request, (mapping.patient_id for mapping in doctor.newest[:SHOWN]))
        return doctor

    @admin.display(description="patients")
    def patients(self, doctor: Any) -> str:
        """Name the patients assigned last, and link to the list of all."""
        mappings = doctor.newest
        links = format_html_join(
            "",
            '<a href="{}">{}</a><br>',
            (
                (reverse("admin:patients_patient_change", args=[mapping.patient_id]), mapping.patient)
                for mapping in mappings[:SHOWN]
            ),
        )
        if len(mappings) > SHOWN:
            url = reverse("admin:mappings_mapping_changelist", query={"doctor__id__exact": doctor.pk})
            links += format_html('<a href="{}">All of them</a>', url)
        return links or "None yet"


@admin.register(HistoricalDoctor)
class DoctorHistoryAdmin(HistoryAdmin):
    search_fields = ["name", "specialization", "email"]
    search_help_text = "Name, specialization, e-mail or #id"
