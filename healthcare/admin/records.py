"""Base classes of all record admins: acting user, locking, access log, search, undo and history."""

from contextlib import suppress
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import AdminTextareaWidget, AutocompleteSelect
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from simple_history.admin import SimpleHistoryAdmin

from healthcare.admin import search, timeline
from healthcare.admin.filters import RecordChoiceField, RecordSelect
from healthcare.admin.pagination import LimitedPaginator
from healthcare.db.functions import fold
from healthcare.fields import GENDERS, AddressField, GenderField, gender_spellings
from healthcare.logs import log_access

# Up to this many deletions can be undone from the message.
UNDO_LIMIT = 100


class ChoicesAdmin(BaseModelAdmin):
    """An admin, or a part of one, whose autocomplete fields show what their user may view."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            form_class, widget = partial(RecordChoiceField, request), RecordSelect(db_field, self.admin_site)
            kwargs |= {"form_class": form_class, "widget": widget}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class LoggedAdmin(ChoicesAdmin, admin.ModelAdmin):
    """An admin that logs the ids of listed records and searches like the API."""

    list_per_page = 50
    paginator = LimitedPaginator
    show_full_result_count = False

    def may_choose_user(self, request: HttpRequest) -> bool:
        """Return whether the user may set the owner of a record, in any form, import or restoration."""
        return request.user.has_perm("accounts.view_user")

    @property
    def media(self) -> forms.Media:
        """Add the media of filters by a related record."""
        return super().media + AutocompleteSelect(None, self.admin_site).media

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = {"title": str(self.opts.verbose_name_plural).capitalize()}
        response = super().changelist_view(request, {**title, **(extra_context or {})})
        context = getattr(response, "context_data", None) or {}
        if "cl" in context:
            log_access(request, (record.id for record in context["cl"].result_list))
        return response

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return search.found(queryset, self.get_search_fields(request), search_term), False

    def details(self, record: Any) -> str:
        """Return text that distinguishes records of the same name."""
        return f"#{record.pk}"

    def choice_label(self, record: Any) -> str:
        return f"{record}, {self.details(record)}"

    def url_of(self, record: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[record.pk])


class GenderSelect(forms.Select):
    """A select of genders that keeps the stored spelling."""

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        stored = value[0] if value else ""
        genders = [
            (stored if fold(stored) in gender_spellings(gender) else gender, gender.capitalize()) for gender in GENDERS
        ]
        self.choices = [("", "---------"), *genders]
        return super().optgroups(name, value, attrs)


class RecordForm(forms.ModelForm):
    """A form that contains the version that was read, so that it cannot overwrite later changes."""

    version = forms.CharField(widget=forms.HiddenInput, required=False)
    # The user of a new record if the form has no such field.
    acting_user: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.acting_user:
            self.instance.user = self.acting_user
        if self.instance.pk:
            # The record is locked while it is saved, so this remains the newest version.
            self.initial["version"] = self.newest_version()

    def newest_version(self) -> str:
        return str(self.instance.history.order_by("-history_id").values_list("history_id", flat=True).first())

    def clean(self) -> dict[str, Any] | None:
        if self.instance.pk and self.cleaned_data.get("version") != self.initial["version"]:
            raise ValidationError("Someone saved this record after you opened it. Nothing was saved; open it again.")
        return super().clean()

    def _get_validation_exclusions(self) -> set[str]:
        """Validate constraints that include the user even if the form has no such field."""
        excluded = super()._get_validation_exclusions()  # type: ignore[misc]  # missing in the stubs
        return excluded if "user" in self.fields else excluded - {"user"}


class RecordAdmin(LoggedAdmin, SimpleHistoryAdmin):
    """The admin of records with history. Staff see the records of all users, and own what they add by default."""

    # The date field by which the overview counts records.
    overview_date_field = "created_at"
    form = RecordForm
    formfield_overrides = {
        GenderField: {"widget": GenderSelect, "help_text": ""},
        AddressField: {"widget": AdminTextareaWidget({"rows": 3})},
    }
    ordering = ["-id"]

    @admin.display(description="added by", ordering="user")
    def owner(self, record: Any) -> str:
        """Return the user's name without the e-mail, to save space in lists."""
        return record.user.name if record.user.is_active else f"{record.user.name} (deactivated)"

    @admin.display(description="#", ordering="id")
    def number(self, record: Any) -> int:
        return record.pk

    # The form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Ignore values in the URL that their field cannot hold."""
        initial: dict[str, Any] = {"user": request.user.pk}
        for name, value in super().get_changeform_initial_data(request).items():
            with suppress(ValidationError, FieldDoesNotExist):
                field: Any = self.opts.get_field(name)
                if not field.auto_created:
                    initial[name] = field.to_python(value)
        return initial

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = list(super().get_fields(request, obj))
        # In a read-only form, fields that only the form declares would be shown without a value.
        if not self.has_change_permission(request, obj):
            fields = [name for name in fields if name not in self.form.declared_fields]
        # Without an e-mail, and without a link to the account.
        return fields if self.may_choose_user(request) else [name for name in fields if name != "user"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fixed = ["owner"] if obj and not self.may_choose_user(request) else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if "user" not in form.base_fields and not change:
            # Set before the constraints are validated.
            form = type(form.__name__, (form,), {"acting_user": request.user})
        return form

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """Return the record, locked while it is saved, so that saving cannot recreate a deleted record."""
        record = super().get_object(request, object_id, from_field)
        if record and request.method == "POST":
            return self.get_queryset(request).select_for_update(of=("self",)).filter(pk=record.pk).first()
        return record

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        """Save the record if it changed."""
        if not change or form.changed_data:
            obj._history_user = request.user
            obj.save(force_update=change, force_insert=not change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save new assignments as added by the acting user."""
        for record in formset.save(commit=False):
            record.user = request.user
            record.save()
        for record in formset.deleted_objects:
            record.delete()

    # Deletion

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what is deleted with the records; called for the confirmation page and for the deletion."""
        log_access(request, (record.id for record in objs))
        return super().get_deleted_objects(objs, request)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete the records one by one, so that the history has each record next to its dependent records."""
        deleted = [(record, record.pk) for record in queryset]
        for record, _ in deleted:
            record.delete()
        self.offer_undo(request, [pk for _, pk in deleted])

    def offer_undo(self, request: HttpRequest, ids: list[int]) -> None:
        """Add a message with a button that restores the deleted records."""
        history = self.model.history.model
        history_admin = self.admin_site.get_model_admin(history)
        if len(ids) > UNDO_LIMIT or not history_admin.has_restore_permission(request):
            return
        deletions = history.objects.filter(id__in=ids, history_type="-").order_by("history_id")
        newest = {version.id: version.pk for version in deletions}
        form = format_html(
            '<form class="undo" method="post" action="{}"><input type="hidden" name="csrfmiddlewaretoken" value="{}">'
            '<input type="hidden" name="action" value="restore">{}Deleted by mistake? <button>Undo</button></form>',
            reverse(f"admin:{history._meta.app_label}_{history._meta.model_name}_changelist"),
            get_token(request),
            format_html_join(
                "", '<input type="hidden" name="_selected_action" value="{}">', ((pk,) for pk in newest.values())
            ),
        )
        self.message_user(request, form, messages.INFO)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Redirect to the last version of a deleted record, where it can be restored."""
        version = self.model.history.filter(id=object_id).first() if object_id.isdecimal() else None
        if not version:
            raise Http404
        return self.history_form_view(request, object_id, str(version.pk))

    # History

    def related_history(self, request: HttpRequest, object_id: int) -> list[QuerySet]:
        """Return the versions of related records that the user may view, to include in the history."""
        return []

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """List the versions of a record, existing or deleted, newest first."""
        versions = self.model.history.filter(id=object_id) if object_id.isdecimal() else self.model.history.none()
        newest = versions.select_related("history_user").first()
        if not newest:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        log_access(request, [newest.id])
        histories = [versions, *self.related_history(request, newest.id)]
        entries, older = timeline.page(histories, request.GET.get("before"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{self.opts.verbose_name} history".capitalize(),
            "subtitle": newest.name if hasattr(newest, "name") else str(newest.instance),
            "opts": self.opts,
            "object": newest.instance,
            "entries": entries,
            "older": older,
        }
        return render(request, "admin/record_history.html", context)

    def history_form_view(self, request: HttpRequest, object_id: str, version_id: str, **kwargs: Any) -> HttpResponse:
        """Redirect to the page of the version."""
        model = self.model.history.model._meta
        return redirect(f"admin:{model.app_label}_{model.model_name}_change", version_id)
