from django.contrib import admin

from healthcare.admin.records import GenderFilter, HistoryAdmin
from healthcare.admin.resources import RecordResource
from healthcare.admin.spreadsheets import SpreadsheetAdmin
from patients.models import HistoricalPatient, Patient


class PatientResource(RecordResource):
    class Meta:
        model = Patient
        fields = ["id", "name", "age", "gender", "phone", "address", "email", "created_at", "user"]


@admin.register(Patient)
class PatientAdmin(SpreadsheetAdmin):
    resource_classes = [PatientResource]
    list_display = ["name", "age", "gender", "phone", "email", "owner", "created_at"]
    list_filter = [GenderFilter, "created_at"]
    list_select_related = ["user"]
    search_fields = ["name", "phone", "email"]
    search_help_text = "Part of a name, phone or e-mail."
    autocomplete_fields = ["user"]
    readonly_fields = ["created_at"]


@admin.register(HistoricalPatient)
class PatientHistoryAdmin(HistoryAdmin):
    search_fields = ["name", "phone", "email"]
