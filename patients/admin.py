from django.contrib import admin

from healthcare.admin import HistoryAdmin, RecordAdmin
from patients.models import HistoricalPatient, Patient


@admin.register(Patient)
class PatientAdmin(RecordAdmin):
    list_display = ["name", "age", "gender", "phone", "email", "user", "created_at"]
    list_filter = ["gender", "created_at"]
    list_select_related = ["user"]
    search_fields = ["name", "phone", "email"]
    autocomplete_fields = ["user"]
    readonly_fields = ["created_at"]


@admin.register(HistoricalPatient)
class PatientHistoryAdmin(HistoryAdmin):
    search_fields = ["name", "phone", "email"]
