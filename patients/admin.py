from django.contrib import admin

from healthcare.admin.filters import DateFilter, GenderFilter, RecordFilter
from healthcare.admin.history import HistoryAdmin
from healthcare.admin.resources import RecordResource
from healthcare.admin.spreadsheets import SpreadsheetAdmin
from healthcare.fields import GENDER_SPELLINGS
from patients.models import HistoricalPatient, Patient
from patients.serializers import PatientSerializer


class PatientResource(RecordResource):
    serializer_class = PatientSerializer


@admin.register(Patient)
class PatientAdmin(SpreadsheetAdmin):
    resource_classes = [PatientResource]
    in_site_search = True
    list_display = ["name", "number", "age", "gender", "phone", "owner", "created_at"]
    list_filter = [("gender", GenderFilter), ("user", RecordFilter), ("created_at", DateFilter)]
    list_select_related = ["user"]
    search_fields = ["name", "phone", "email", "address"]
    search_help_text = "Name, phone, e-mail, address or #id"
    autocomplete_fields = ["user"]
    readonly_fields = ["created_at"]

    def details(self, record: Patient) -> str:
        return ", ".join(
            filter(None, [str(record.age), GENDER_SPELLINGS[record.gender.lower()], record.phone, f"#{record.pk}"])
        )


@admin.register(HistoricalPatient)
class PatientHistoryAdmin(HistoryAdmin):
    search_fields = ["name", "phone", "email"]
    search_help_text = "Name, phone, e-mail or #id"
