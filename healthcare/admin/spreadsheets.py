"""Import and export of records as CSV and XLSX in the admin: permissions, uploads and messages."""

import base64
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from import_export.admin import ImportExportMixin
from import_export.forms import ConfirmImportForm, ExportForm, ImportForm
from import_export.tmp_storages import BaseStorage

from healthcare.admin.formats import IMPORT_LIMIT, CSVFormat, XLSXFormat
from healthcare.admin.records import RecordAdmin
from healthcare.jobs import exclusive
from healthcare.logs import log_access
from healthcare.tables import FileError

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

# Rows, because an export is built in memory.
EXPORT_LIMIT = 20_000
UPLOAD_SECONDS = 3600


class UploadExpiredError(Exception):
    pass


class SessionStorage(BaseStorage):
    """Store an upload in the database between preview and confirmation, for an hour, under a random name.

    A temporary file would remain if the import is not confirmed, and other machines could not read it.
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
    skip_existing = forms.BooleanField(
        label="Skip existing records",
        required=False,
        help_text="Otherwise, a row without an id that matches an existing record is an error.",
    )

    def clean_import_file(self) -> "UploadedFile":
        file = self.cleaned_data["import_file"]
        if file.size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise ValidationError(f"The file is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.")
        return file


class ConfirmForm(ConfirmImportForm):
    format = forms.ChoiceField(choices=[("0", "CSV"), ("1", "XLSX")], widget=forms.HiddenInput)
    resource = forms.ChoiceField(choices=[("0", "")], required=False, widget=forms.HiddenInput)
    skip_existing = forms.BooleanField(required=False, widget=forms.HiddenInput)


class SpreadsheetAdmin(ImportExportMixin, RecordAdmin):
    """The admin of records with import and export; subclasses set `resource_classes`."""

    formats = [CSVFormat, XLSXFormat]
    import_form_class = UploadForm
    confirm_form_class = ConfirmForm
    export_form_class = ExportForm
    tmp_storage_class = SessionStorage
    # With a byte order mark, Excel reads a CSV as UTF-8.
    to_encoding = "utf-8-sig"

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Return whether the user has the export permission; permission to view is not sufficient."""
        allowed = request.user.has_perm(f"{self.opts.app_label}.export_{self.opts.model_name}")
        return allowed and self.has_view_permission(request)

    def get_urls(self) -> list[Any]:
        name = "{}_{}_import_template".format(*self.get_model_info())
        return [
            path("import/template/", self.admin_site.admin_view(self.import_template), name=name),
            *super().get_urls(),
        ]

    def import_template(self, request: HttpRequest) -> HttpResponse:
        """Return a CSV file with the columns of an import and no rows."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        (resource,) = self.resource_classes
        header = ",".join(name for name in resource.columns() if name not in ("id", "created_at", "user"))
        name = f"{self.opts.model_name}-template.csv"
        return HttpResponse(
            f"{header}\r\n".encode(self.to_encoding),
            content_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def get_import_context_data(self, **kwargs: Any) -> dict[str, Any]:
        (resource,) = self.resource_classes
        return {
            **super().get_import_context_data(**kwargs),
            "columns": [name for name in resource.columns() if name != "created_at"],
            "row_limit": IMPORT_LIMIT,
            "size_limit": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        }

    def get_resource_kwargs(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, bool]:
        """Return the arguments of the resource; only staff who may view accounts choose users and see e-mails."""
        form = kwargs.get("form")
        chosen = getattr(form, "cleaned_data", None) or {}
        return {
            "may_choose_user": self.may_choose_user(request),
            "skip_existing": chosen.get("skip_existing", False),
        }

    def get_confirm_form_initial(self, request: HttpRequest, import_form: UploadForm | None) -> dict[str, Any]:
        initial = super().get_confirm_form_initial(request, import_form)
        return {**initial, "skip_existing": import_form.cleaned_data["skip_existing"]} if import_form else initial

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        return {}

    def get_export_queryset(self, request: HttpRequest) -> QuerySet:
        try:
            return super().get_export_queryset(request)
        except IncorrectLookupParameters as error:
            raise BadRequest from error

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: QuerySet, **kwargs: Any) -> str | bytes:
        """Return the file; raise ValueError, which the form displays, for too many rows."""
        if queryset[EXPORT_LIMIT:].exists():
            raise ValueError(f"More than {EXPORT_LIMIT} rows: use a search or a filter first.")
        with exclusive():
            return super().get_export_data(file_format, request, queryset, **kwargs)

    def add_data_read_fail_error_to_form(self, form: UploadForm, e: Exception) -> None:
        if not isinstance(e, FileError):
            raise e
        form.add_error("import_file", f"The file {e}")

    def init_request_context_data(self, request: HttpRequest, form: ExportForm) -> dict[str, Any]:
        """List the columns of an export, some of which are not imported."""
        fields_list = [(resource.get_display_name(), resource.columns()) for resource in self.resource_classes]
        return {**super().init_request_context_data(request, form), "fields_list": fields_list}

    def get_data_for_export(self, request: Any, queryset: QuerySet, **kwargs: Any) -> Any:
        """Return the rows; add their ids to the request log, and the export to the admin's log."""
        exported = super().get_data_for_export(request, queryset, **kwargs)
        log_access(request, (row[0] for row in exported.rows))
        narrowed = ", ".join(f"{name}={value}" for name, value in request.GET.items() if value)
        LogEntry.objects.create(
            user=request.user,
            content_type=ContentType.objects.get_for_model(self.model),
            object_repr=f"{len(exported)} {self.opts.verbose_name_plural} exported",
            action_flag=CHANGE,
            change_message=f"Exported where {narrowed}." if narrowed else "Exported.",
        )
        return exported

    def import_action(self, request: Any, **kwargs: Any) -> HttpResponse:
        """Show the preview; add the ids of stored records to the request log."""
        with exclusive() if request.method == "POST" else nullcontext():
            response = super().import_action(request, **kwargs)
        result = (getattr(response, "context_data", None) or {}).get("result")
        if result:
            log_access(request, (row.object_id for row in result.rows if row.object_id and not row.is_new()))
        return response

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and not self.create_confirm_form(request).is_valid():
            raise BadRequest
        try:
            with exclusive():
                return super().process_import(request, **kwargs)
        except UploadExpiredError:
            return self.upload_again(request, "The upload has expired.")
        except FileError as error:
            return self.upload_again(request, f"The file {error}")

    def process_result(self, result: Any, request: Any) -> HttpResponse:
        """Report the result; the records may have changed since the preview."""
        if result.has_errors() or result.has_validation_errors():
            return self.upload_again(request, "Nothing was imported: a row has become invalid since the preview.")
        log_access(request, (row.object_id for row in result.rows if row.object_id))
        return super().process_result(result, request)

    def upload_again(self, request: HttpRequest, reason: str) -> HttpResponse:
        self.message_user(request, f"{reason} Choose the file again.", messages.ERROR)
        return HttpResponseRedirect(reverse("admin:{}_{}_import".format(*self.get_model_info())))
