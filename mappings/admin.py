from django.contrib import admin

from healthcare.admin import HistoryAdmin, RecordAdmin
from mappings.models import HistoricalMapping, Mapping


@admin.register(Mapping)
class MappingAdmin(RecordAdmin):
    list_display = ["id", "patient", "doctor", "user", "assigned_at"]
    list_display_links = ["id", "patient"]
    list_filter = ["assigned_at"]
    list_select_related = ["patient", "doctor", "user"]
    search_fields = ["patient__name", "doctor__name"]
    autocomplete_fields = ["patient", "doctor", "user"]
    readonly_fields = ["assigned_at"]


@admin.register(HistoricalMapping)
class MappingHistoryAdmin(HistoryAdmin):
    pass
