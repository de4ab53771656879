"""The activity page: who did what to which record, from all histories and the admin's log."""

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth import get_permission_codename, get_user_model
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.http import urlencode

from healthcare.admin import timeline
from healthcare.admin.filters import DayField, RecordChoiceField, RecordSelect, start_of
from healthcare.admin.history import HistoryAdmin
from healthcare.jobs import exclusive
from healthcare.logs import log_access
from healthcare.tables import escaped

if TYPE_CHECKING:
    from healthcare.admin.site import AdminSite

PERMISSION = "admin.view_logentry"
PAGE = 100
EXPORT_LIMIT = 20_000
OTHER = "other"
COLUMNS = ["When", "By", "E-mail", "Action", "Kind", "Id", "Record", "What changed"]
VERBS = {ADDITION: "Added", CHANGE: "Changed", DELETION: "Deleted"}


class ActivityForm(forms.Form):
    """The filters of the activity page."""

    def __init__(self, site: "AdminSite", kinds: list[tuple[str, str]], request: HttpRequest) -> None:
        super().__init__(request.GET, auto_id="filter_%s")
        self.fields |= {
            "person": RecordChoiceField(
                request,
                get_user_model().objects.all(),
                required=False,
                widget=RecordSelect(LogEntry._meta.get_field("user"), site, {"data-width": "15em"}),
            ),
            "kind": forms.ChoiceField(choices=[("", "All"), *kinds], required=False),
            "first": DayField(label="From"),
            "last": DayField(label="To"),
        }


class Activity:
    """The versions and log entries that match the filters of `request` and that its user may view."""

    def __init__(self, site: "AdminSite", request: HttpRequest) -> None:
        self.request = request
        admins = [model_admin for model_admin in site._registry.values() if isinstance(model_admin, HistoryAdmin)]
        self.logged_only_as_versions = [
            model_admin.model.instance_type for model_admin in admins if model_admin.replaces_log
        ]
        self.histories = {
            model_admin.model.instance_type._meta.model_name: model_admin.get_queryset(request)
            for model_admin in admins
            if model_admin.has_view_permission(request)
        }
        # Entries of groups contain no personal data, and are about rights.
        self.logged = [Group, *(model for model in site._registry if may_view(request, model))]
        kinds = [
            (name, str(history.model.instance_type._meta.verbose_name_plural).capitalize())
            for name, history in self.histories.items()
        ]
        self.form = ActivityForm(site, [*kinds, (OTHER, "Accounts, exports and other")], request)
        if not request.user.has_perm("accounts.view_user"):
            # It would show the name and the e-mail of any account.
            del self.form.fields["person"]
        self.chosen = self.form.cleaned_data if self.form.is_valid() else {}
        self.media = site.get_model_admin(get_user_model()).media

    def log(self) -> QuerySet:
        """Return the log entries that no history covers, if their model may be viewed."""
        models = [model for model in self.logged_only_as_versions if model._meta.model_name in self.histories]
        types = ContentType.objects.get_for_models(*models).values()
        logged = ContentType.objects.get_for_models(*self.logged).values()
        shown = LogEntry.objects.filter(Q(content_type__in=logged) | Q(content_type=None))
        return shown.exclude(Q(content_type__in=types), object_id__isnull=False)

    def sources(self) -> list[tuple[QuerySet, str, str]]:
        """Return (queryset, name of its time field, name of its user field) of each selected source."""
        kind = self.chosen.get("kind")
        sources = [
            (history.select_related("history_user"), "history_date", "history_user")
            for name, history in self.histories.items()
            if kind in ("", None, name)
        ]
        return sources + ([(self.log(), "action_time", "user")] if kind in ("", None, OTHER) else [])

    def page(self, before: datetime | None = None, size: int = PAGE) -> tuple[list[timeline.Entry], datetime | None]:
        """Return the newest entries before a timestamp, and the timestamp of the next page."""
        first, last, person = (self.chosen.get(name) for name in ("first", "last", "person"))
        rows: list[tuple[datetime, Any]] = []
        for queryset, at, by in self.sources():
            narrowed = {
                **({f"{at}__gte": start_of(first)} if first else {}),
                **({f"{at}__lt": start_of(last + timedelta(days=1))} if last else {}),
                **({by: person} if person else {}),
            }
            queryset = queryset.filter(**narrowed).select_related(by).order_by("-pk")
            queryset = queryset.filter(**{f"{at}__lt": before}) if before else queryset
            rows += [(getattr(row, at), row) for row in queryset[: size + timeline.SPARE]]
        shown, older = timeline.cut(rows, size)
        return self.entries([row for _, row in shown]), older

    def entries(self, rows: list[Any]) -> list[timeline.Entry]:
        versions = [row for row in rows if not isinstance(row, LogEntry)]
        known = dict(zip([(type(row), row.pk) for row in versions], timeline.entries(versions), strict=True))
        return [known.get((type(row), row.pk)) or entry(row) for row in rows]


def may_view(request: HttpRequest, model: type[Model]) -> bool:
    """Return whether the user has the view permission; in an admin's rule, the change permission is enough."""
    return request.user.has_perm(f"{model._meta.app_label}.{get_permission_codename('view', model._meta)}")


def entry(logged: LogEntry) -> timeline.Entry:
    """Return the entry of an action in the admin's log."""
    verb, _, note = logged.get_change_message().partition(" ")
    exported = verb.startswith("Exported")
    return timeline.Entry(
        at=logged.action_time,
        by=logged.user,
        verb="Exported" if exported else VERBS[logged.action_flag],
        kind=logged.content_type.name if logged.content_type else "",
        what=logged.object_repr,
        url=None,
        changes=[],
        record_id=int(logged.object_id) if (logged.object_id or "").isdecimal() else None,
        note=note if exported else logged.get_change_message(),
    )


def view(site: "AdminSite", request: HttpRequest) -> HttpResponseBase:
    """Show the activity, newest first, or return it as CSV."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    activity = Activity(site, request)
    if "csv" in request.GET:
        return export(activity, request)
    before = timeline.timestamp(request.GET.get("before"))
    entries, older = activity.page(before)
    log_access(request, (entry.record_id for entry in entries if entry.record_id))
    fields = activity.form.fields
    narrowed: dict[str, str] = {name: str(value) for name, value in request.GET.items() if name in fields and value}
    context = {
        **site.each_context(request),
        "title": "Activity",
        "form": activity.form,
        "media": activity.media,
        "entries": entries,
        "older": older and urlencode({**narrowed, "before": older.isoformat()}),
        "export": urlencode({**narrowed, "csv": "1"}),
        "export_limit": EXPORT_LIMIT,
    }
    return TemplateResponse(request, "admin/activity.html", context)


def export(activity: Activity, request: HttpRequest) -> HttpResponse:
    """Return the newest EXPORT_LIMIT entries as CSV, and log the export."""
    emails = request.user.has_perm("accounts.view_user")
    with exclusive():
        entries = list(newest(activity))
        content = "".join(lines(entries, emails))
    log_access(request, (entry.record_id for entry in entries if entry.record_id))
    LogEntry.objects.create(
        user=request.user,  # type: ignore[misc]  # logged in
        object_repr=f"{len(entries)} lines of activity",
        action_flag=CHANGE,
        change_message="Exported as CSV.",
    )
    headers = {"Content-Disposition": 'attachment; filename="activity.csv"'}
    return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)


def newest(activity: Activity) -> Iterator[timeline.Entry]:
    before, count = None, 0
    while count < EXPORT_LIMIT:
        entries, before = activity.page(before, min(1000, EXPORT_LIMIT - count))
        yield from entries
        count += len(entries)
        if not before:
            return


def lines(entries: list[timeline.Entry], emails: bool) -> Iterator[str]:
    yield "\ufeff"
    for row in [COLUMNS, *(cells(entry, emails) for entry in entries)]:
        line = StringIO()
        csv.writer(line).writerow([escaped(str(cell)) for cell in row])
        yield line.getvalue()


def cells(entry: timeline.Entry, emails: bool) -> list[Any]:
    changes = "; ".join(f"{change.field}: {change.old} → {change.new}" for change in entry.changes)
    by = [entry.by.name, entry.by.email if emails else ""] if entry.by else ["", ""]
    when = timezone.localtime(entry.at).isoformat(sep=" ", timespec="seconds")
    return [when, *by, entry.verb, entry.kind, entry.record_id or "", entry.what, changes or entry.note]
