from django.contrib import admin

from doctors.models import Doctor, HistoricalDoctor
from healthcare.admin import HistoryAdmin, RecordAdmin


@admin.register(Doctor)
class DoctorAdmin(RecordAdmin):
    list_display = ["name", "specialization", "phone", "email", "user", "created_at"]
    list_filter = ["gender", "created_at"]
    list_select_related = ["user"]
    search_fields = ["name", "specialization", "email"]
    autocomplete_fields = ["user"]
    readonly_fields = ["created_at"]


@admin.register(HistoricalDoctor)
class DoctorHistoryAdmin(HistoryAdmin):
    search_fields = ["name", "specialization", "email"]
