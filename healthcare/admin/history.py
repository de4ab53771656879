"""The admin of histories: read-only versions of all records, which can be restored."""

from collections.abc import Collection
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from healthcare.admin import timeline
from healthcare.admin.filters import ChoiceFilter, DateFilter, RecordFilter
from healthcare.admin.records import UNDO_LIMIT, LoggedAdmin
from healthcare.logs import log_access

RESTORED = "restored"


class HistoryAdmin(LoggedAdmin):
    """Versions of all records, including deleted ones."""

    list_display = ["record", "record_id", "action", "at", "changed_by"]
    list_filter = [
        ("history_type", ChoiceFilter),
        ("history_date", DateFilter),
        ("history_user", RecordFilter),
    ]
    list_select_related = ["history_user"]
    ordering = ["-history_id"]
    change_form_template = "admin/version.html"
    actions = ["restore"]
    # Whether the activity page shows versions of the model instead of its entries in the admin's log.
    replaces_log = True

    @admin.display(description="record")
    def record(self, version: Any) -> str:
        return getattr(version, "name", "") or f"{version.instance_type._meta.verbose_name} {version.id}"

    @admin.display(description="#", ordering="id")
    def record_id(self, version: Any) -> int:
        return version.id

    @admin.display(description="action")
    def action(self, version: Any) -> str:
        return (version.history_change_reason or timeline.VERBS[version.history_type]).capitalize()

    @admin.display(description="when", ordering="history_id")
    def at(self, version: Any) -> str:
        return f"{timezone.localtime(version.history_date):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="by", ordering="history_user")
    def changed_by(self, version: Any) -> str | None:
        return version.history_user and version.history_user.name

    @admin.display(description="added by")
    def owner(self, version: Any) -> str:
        return version.user.name

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Omit the fields that the title contains."""
        fields = [str(name) for name in super().get_fields(request, obj)]
        # Without permission to view accounts, show the user without the e-mail.
        owner = "user" if self.may_choose_user(request) else "owner"
        return [
            owner if name == "user" else name for name in fields if name != "owner" and not name.startswith("history_")
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "owner"]

    def restore_related(self, version: Any, user: AbstractBaseUser | AnonymousUser) -> str:
        """Restore what was deleted with a record; return text to append to the success message."""
        return ""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        version = super().get_object(request, object_id, from_field)
        # The path contains the id of the version, not of the record.
        log_access(request, [version.id] if version else [])
        return version

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        version = context["original"]
        what = version.instance_type._meta.verbose_name.capitalize()
        who = f" by {version.history_user.name}" if version.history_user else ""
        context["title"] = f"{what} as {self.action(version).lower()} on {self.at(version)}{who}"
        context["subtitle"] = self.record(version)
        current = version.instance_type._base_manager.filter(pk=version.id).first()
        model = version.instance_type._meta
        context |= {
            "current": current,
            "record_url": current and self.admin_site.get_model_admin(type(current)).url_of(current),
            "history_url": reverse(f"admin:{model.app_label}_{model.model_name}_history", args=[version.id]),
            "list_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
            "may_restore": not current and version.history_type == "-" and self.has_restore_permission(request),
            "may_put_back": current
            and version.history_type != "-"
            and self.has_put_back_permission(request)
            and bool(differences(version, current, self.kept_fields(request))),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # Permissions

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allowed(request, "view")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return self._allowed(request, "add")

    def has_put_back_permission(self, request: HttpRequest) -> bool:
        return self._allowed(request, "change")

    def _allowed(self, request: HttpRequest, verb: str) -> bool:
        model = self.model.instance_type._meta
        return request.user.has_perm(f"{model.app_label}.{verb}_{model.model_name}")

    # Restoring

    def kept_fields(self, request: HttpRequest) -> set[str]:
        """Return the fields that put back keeps: the owner, unless the user may choose it."""
        return set() if self.may_choose_user(request) else {"user"}

    @admin.action(description="Restore the selected deleted records", permissions=["restore"])
    def restore(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        versions = list(queryset[: UNDO_LIMIT + 1])
        if len(versions) > UNDO_LIMIT:
            self.message_user(request, f"Select at most {UNDO_LIMIT} versions.", messages.ERROR)
            return None
        log_access(request, (version.id for version in versions))
        restored = []
        for version in versions:
            try:
                with transaction.atomic():
                    restore(version, request.user)
                    note = self.restore_related(version, request.user)
            except ValidationError as error:
                self.message_user(request, f"{self.record(version)}: {' '.join(error.messages)}", messages.ERROR)
            else:
                restored.append(version)
                self.message_user(request, f"{self.record(version)} is restored{note}.", messages.SUCCESS)
        return self._to_record(restored[0]) if len(restored) == 1 else None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.put_back_view))
        name = f"{self.opts.app_label}_{self.opts.model_name}_put_back"
        return [path("<int:version_id>/put-back/", view, name=name), *super().get_urls()]

    def put_back_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Set a record to the values of a version."""
        version = self.get_object(request, str(version_id))
        if not self.has_put_back_permission(request):
            raise PermissionDenied
        if not version:
            return redirect("admin:index")
        try:
            put_back(version, request.user, self.kept_fields(request))
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", version_id)
        self.message_user(request, f"{self.record(version)} has the values of {self.at(version)} again.")
        return self._to_record(version)

    def _to_record(self, version: Any) -> HttpResponse:
        return redirect(self.admin_site.get_model_admin(version.instance_type).url_of(version.instance))


def restore(version: Any, user: AbstractBaseUser | AnonymousUser) -> None:
    """Restore the record whose deletion is `version`, with its id; raise ValidationError if that is not possible."""
    with transaction.atomic():
        if version.history_type != "-":
            raise ValidationError("This version is not a deletion.")
        record = version.instance
        if type(record).objects.filter(pk=record.pk).exists():
            raise ValidationError("The record already exists.")
        # An earlier deletion may have another owner.
        if type(version).objects.filter(id=version.id, pk__gt=version.pk).exists():
            raise ValidationError("There are newer versions: restore the last deletion.")
        record.full_clean()
        record._history_user = user
        record._change_reason = RESTORED
        record.save(force_insert=True)


def put_back(version: Any, user: AbstractBaseUser | AnonymousUser, kept_fields: Collection[str] = ()) -> None:
    """Set the record to the values of `version`, except `kept_fields`.

    Raises ValidationError if the values are invalid or the record is deleted.
    """
    with transaction.atomic():
        record = version.instance_type._base_manager.select_for_update().filter(pk=version.id).first()
        if not record:
            raise ValidationError("The record is deleted: restore it first.")
        changed = differences(version, record, kept_fields)
        for attribute in changed:
            setattr(record, attribute, getattr(version, attribute))
        record.full_clean()
        if changed:
            record._history_user = user
            record._change_reason = RESTORED
            record.save(force_update=True)


def differences(version: Any, record: Any, kept_fields: Collection[str] = ()) -> list[str]:
    """Return the attributes other than `kept_fields` in which a record differs from one of its versions."""
    kept = timeline.IMMUTABLE | set(kept_fields)
    names = [field.attname for field in version.tracked_fields if field.name not in kept]
    return [name for name in names if getattr(version, name) != getattr(record, name)]
