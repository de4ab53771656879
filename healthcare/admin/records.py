"""What the admins of all records share: the acting user on every change, one transaction, history, restore."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from simple_history.admin import SimpleHistoryAdmin

from healthcare.fields import GENDERS, GenderField, gender_spellings
from healthcare.logs import log_access


class LoggedAdmin(admin.ModelAdmin):
    """An admin whose lists tell the log whom they show."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        if "cl" in context:
            log_access(request, (record.id for record in context["cl"].result_list))
        return response


class GenderFilter(admin.SimpleListFilter):
    """The genders, each with all its spellings. Django's own filter would read the whole table for the choices."""

    title = parameter_name = "gender"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(gender, gender) for gender in GENDERS]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(gender__fold__in=gender_spellings(self.value() or "")) if self.value() else queryset


class GenderInput(AdminTextInputWidget):
    """A line of text that offers the genders there are, and keeps what was written in another case."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        offered = format_html_join("", "<option>{}</option>", ((gender,) for gender in GENDERS))
        line = super().render(name, value, {**(attrs or {}), "list": "genders"}, renderer)
        return format_html('{}<datalist id="genders">{}</datalist>', line, offered)


class RecordForm(forms.ModelForm):
    """The form of a record; it names the version that was read, so that nobody overwrites what they have not seen."""

    version = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # Read of a record that is locked while it is being saved: there is no newer one until then.
            newest = self.instance.history.order_by("-history_id").values_list("history_id", flat=True).first()
            self.initial["version"] = str(newest)

    def clean(self) -> dict[str, Any] | None:
        if self.instance.pk and self.cleaned_data.get("version") != self.initial["version"]:
            raise ValidationError("Somebody saved this record after you opened it: open it again. Nothing was stored.")
        return super().clean()


class RecordAdmin(LoggedAdmin, SimpleHistoryAdmin):
    """The admin of a record with history. Staff see every user's; what they add is theirs unless they say otherwise."""

    # The field that the overview counts by.
    came_in = "created_at"
    form = RecordForm
    object_history_template = "admin/record_history.html"
    formfield_overrides = {GenderField: {"widget": GenderInput}}
    ordering = ["-id"]
    list_per_page = 50
    show_full_result_count = False

    @admin.display(description="user", ordering="user")
    def owner(self, record: Any) -> str:
        """Name the user without the e-mail, for which a list has no room."""
        return record.user.name

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"user": request.user.pk, **super().get_changeform_initial_data(request)}

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = super().get_fields(request, obj)
        # Read only, a field that the record has not would be shown as one without a value.
        return fields if self.has_change_permission(request, obj) else [name for name in fields if name != "version"]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """Return the record, locked while it is being saved, so that one deleted meanwhile does not come back."""
        record = super().get_object(request, object_id, from_field)
        if record and request.method == "POST":
            return self.get_queryset(request).select_for_update(of=("self",)).filter(pk=record.pk).first()
        return record

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        obj._history_user = request.user
        obj.save(force_update=change, force_insert=not change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the assignments made on the page of a record as those of who makes them."""
        for record in formset.save(commit=False):
            record.user = request.user
            record.save()
        for record in formset.deleted_objects:
            record.delete()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what goes with the records. Asked for the page that names it, and again for the deletion itself."""
        log_access(request, (record.id for record in objs))
        return super().get_deleted_objects(objs, request)

    def set_history_delta_changes(self, request: HttpRequest, historical_records: Any, *args: Any) -> None:
        """Find what each version changed; a reason that nobody gave is nothing, where the template has `None`."""
        super().set_history_delta_changes(request, historical_records, *args)
        for version in historical_records:
            version.history_change_reason = version.history_change_reason or ""

    def history_form_view(self, request: HttpRequest, object_id: str, version_id: str, **kwargs: Any) -> HttpResponse:
        """Show a version on its own page. The original looks like the form of the record as it is now."""
        model = self.model.history.model._meta
        return redirect(f"admin:{model.app_label}_{model.model_name}_change", version_id)


class HistoryAdmin(LoggedAdmin):
    """Every version of every record, deleted ones too: read only, but that a deleted record can be restored."""

    list_display = ["record", "id", "history_type", "history_date", "changed_by", "history_change_reason"]
    list_filter = ["history_type", "history_date"]
    list_select_related = ["history_user"]
    list_per_page = 50
    show_full_result_count = False
    ordering = ["-history_id"]
    change_form_template = "admin/version.html"
    actions = ["restore"]

    @admin.display(description="record")
    def record(self, version: Any) -> str:
        return version.name

    @admin.display(description="by", ordering="history_user")
    def changed_by(self, version: Any) -> str | None:
        return version.history_user and version.history_user.name

    def restore_note(self, version: Any) -> str:
        """Return what the message about a restored record adds: that which was deleted with it and is not restored."""
        return ""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        version = super().get_object(request, object_id, from_field)
        # The path names the version, not the record.
        log_access(request, [version.id] if version else [])
        return version

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        version = context["original"]
        what, how = version.instance_type._meta.verbose_name.capitalize(), version.get_history_type_display().lower()
        who = f" by {version.history_user.name}" if version.history_user else ""
        context["title"] = f"{what} as {how} on {version.history_date:%Y-%m-%d at %H:%M:%S} UTC{who}"
        context["subtitle"] = self.record(version)
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        model = self.model.instance_type
        return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_restore_permission(self, request: HttpRequest) -> bool:
        model = self.model.instance_type
        return request.user.has_perm(f"{model._meta.app_label}.add_{model._meta.model_name}")

    @admin.action(description="Restore the selected deleted records", permissions=["restore"])
    def restore(self, request: HttpRequest, queryset: QuerySet) -> None:
        log_access(request, (version.id for version in queryset))
        for version in queryset:
            try:
                restore(version, request.user)
            except ValidationError as error:
                self.message_user(request, f"{self.record(version)}: {' '.join(error.messages)}", messages.ERROR)
            else:
                self.message_user(request, f"{self.record(version)} is back{self.restore_note(version)}.")


def restore(version: Any, user: AbstractBaseUser | AnonymousUser) -> None:
    """Bring back the record that `version` says was deleted, with its id; raise ValidationError if it can't be."""
    with transaction.atomic():
        if version.history_type != "-":
            raise ValidationError("This version is no deletion.")
        record = version.instance
        if type(record).objects.filter(pk=record.pk).exists():
            raise ValidationError("The record exists: nothing to restore.")
        record.full_clean()
        record._history_user = user
        record._change_reason = "restored"
        record.save(force_insert=True)
