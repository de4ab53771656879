"""Import and export of records as CSV and XLSX in the admin: who may, what is kept in between, and what is told."""

import base64
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from import_export.admin import ImportExportMixin
from import_export.forms import ExportForm, ImportForm
from import_export.tmp_storages import BaseStorage

from healthcare.admin.records import RecordAdmin
from healthcare.admin.resources import CSVFormat, XLSXFormat
from healthcare.logs import log_access
from healthcare.tables import FileError

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

# Rows: an export is made in memory.
EXPORT_LIMIT = 20_000
UPLOAD_SECONDS = 3600


class UploadExpiredError(Exception):
    pass


class SessionStorage(BaseStorage):
    """Keep an upload from its preview to its confirmation: in the database, for an hour, by a name nobody can guess.

    Files in a temporary directory would stay there when nobody confirms, and be known to one machine only.
    """

    def save(self, data: bytes) -> None:
        session = SessionStore()
        session["upload"] = base64.b64encode(data).decode()
        session.set_expiry(UPLOAD_SECONDS)
        session.create()
        self.name = session.session_key

    def read(self) -> bytes:
        upload = SessionStore(self.name).get("upload")
        if upload is None:
            raise UploadExpiredError
        return base64.b64decode(upload)

    def remove(self) -> None:
        SessionStore(self.name).delete()


class UploadForm(ImportForm):
    def clean_import_file(self) -> "UploadedFile":
        file = self.cleaned_data["import_file"]
        if file.size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise ValidationError(f"The file is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.")
        return file


class SpreadsheetAdmin(ImportExportMixin, RecordAdmin):
    """The admin of a record that is imported and exported; a subclass gives its `resource_classes`."""

    formats = [CSVFormat, XLSXFormat]
    import_form_class = UploadForm
    export_form_class = ExportForm
    tmp_storage_class = SessionStorage
    # Without the mark, Excel would not take a CSV for UTF-8.
    to_encoding = "utf-8-sig"

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Looking at records is not yet taking all of them home: that is a permission of its own."""
        allowed = request.user.has_perm(f"{self.opts.app_label}.export_{self.opts.model_name}")
        return allowed and self.has_view_permission(request)

    def get_import_data_kwargs(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, bool]:
        return {"rollback_on_validation_errors": True}

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: QuerySet, **kwargs: Any) -> str | bytes:
        """Return the file; raise ValueError, which is told on the form, where it would have too many rows."""
        if queryset[EXPORT_LIMIT:].exists():
            raise ValueError(f"More than {EXPORT_LIMIT} rows: narrow the list by a search or a filter first.")
        return super().get_export_data(file_format, request, queryset, **kwargs)

    def add_data_read_fail_error_to_form(self, form: UploadForm, e: Exception) -> None:
        if not isinstance(e, FileError):
            raise e
        form.add_error("import_file", f"The file {e}")

    def init_request_context_data(self, request: HttpRequest, form: ExportForm) -> dict[str, Any]:
        """Name the columns of an export, of which an import does not store all."""
        fields_list = [(resource.get_display_name(), list(resource.fields)) for resource in self.resource_classes]
        return {**super().init_request_context_data(request, form), "fields_list": fields_list}

    def get_data_for_export(self, request: Any, queryset: QuerySet, **kwargs: Any) -> Any:
        """Return the rows, and have the log name each and the recent actions say that they were taken."""
        rows = super().get_data_for_export(request, queryset, **kwargs)
        log_access(request, rows["id"])
        LogEntry.objects.create(
            user=request.user,
            content_type=ContentType.objects.get_for_model(self.model),
            object_repr=f"{len(rows)} {self.opts.verbose_name_plural} exported",
            action_flag=CHANGE,
            change_message="Exported.",
        )
        return rows

    def import_action(self, request: Any, **kwargs: Any) -> HttpResponse:
        """Show the preview, and have the log name the stored records that it shows beside their new values."""
        response = super().import_action(request, **kwargs)
        result = (getattr(response, "context_data", None) or {}).get("result")
        if result:
            log_access(request, (row.object_id for row in result.rows if row.object_id and not row.is_new()))
        return response

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return super().process_import(request, **kwargs)
        except UploadExpiredError:
            return self.upload_again(request, "The upload has expired.")

    def process_result(self, result: Any, request: Any) -> HttpResponse:
        """Tell the result; what the preview found in order may have changed since."""
        if result.has_errors() or result.has_validation_errors():
            return self.upload_again(request, "Nothing was imported: a row breaks a rule now.")
        log_access(request, (row.object_id for row in result.rows if row.object_id))
        return super().process_result(result, request)

    def upload_again(self, request: HttpRequest, reason: str) -> HttpResponse:
        self.message_user(request, f"{reason} Choose the file again.", messages.ERROR)
        return HttpResponseRedirect(reverse("admin:{}_{}_import".format(*self.get_model_info())))
