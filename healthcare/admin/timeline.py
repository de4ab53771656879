"""Merge versions of several histories into one list, newest first: who did what to which record, and the changes."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import ForeignKey, OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

PAGE = 100
# Extra rows read after a page: they show whether there is another page, and keep rows of one timestamp together.
SPARE = 20
VERBS = {"+": "Added", "~": "Changed", "-": "Deleted"}
IMMUTABLE = {"id", "created_at", "assigned_at"}


class Change(NamedTuple):
    field: str
    old: str
    new: str


class Entry(NamedTuple):
    """One line: a version, or an action in the admin's log."""

    at: datetime
    by: Any
    verb: str
    kind: str
    what: str
    url: str | None
    changes: list[Change]
    record_id: int | None
    note: str = ""


def page(histories: Iterable[QuerySet], before: str | None = None, size: int = PAGE) -> tuple[list[Entry], str | None]:
    """Return the newest entries of `histories` older than the timestamp `before`, and the `before` of the next page."""
    limit = timestamp(before)
    rows: list[tuple[datetime, Any]] = []
    for history in histories:
        versions = history.select_related("history_user").order_by("-history_id")
        versions = versions.filter(history_date__lt=limit) if limit else versions
        rows += [(version.history_date, version) for version in versions[: size + SPARE]]
    shown, older = cut(rows, size)
    return entries([version for _, version in shown]), older.isoformat() if older else None


def timestamp(text: str | None) -> datetime | None:
    """Return `text` of a query string as an aware timestamp, or None if it is invalid."""
    try:
        found = parse_datetime((text or "").replace(" ", "+"))
        return found.astimezone(UTC) if found and timezone.is_aware(found) else None
    except (ValueError, OverflowError):
        return None


def cut(rows: list[tuple[datetime, Any]], size: int) -> tuple[list[tuple[datetime, Any]], datetime | None]:
    """Return the newest `size` rows and, if there are more, the timestamp before which the next page starts.

    Up to SPARE rows of one timestamp stay together.
    """
    rows.sort(key=lambda row: (row[0], row[1].pk), reverse=True)
    while 0 < size < len(rows) and rows[size][0] == rows[size - 1][0]:
        size += 1
    return rows[:size], rows[size - 1][0] if size < len(rows) else None


def entries(versions: list[Any]) -> list[Entry]:
    """Return the entries of `versions`, with two queries per model."""
    by_model = defaultdict(list)
    for version in versions:
        by_model[type(version)].append(version)
    earlier: dict[tuple[type, int], Any] = {}
    for model, group in by_model.items():
        previous = model.objects.filter(id=OuterRef("id"), pk__lt=OuterRef("pk")).order_by("-pk")
        rows = model.objects.filter(pk__in=[version.pk for version in group])
        pairs = dict(rows.order_by().values_list("pk", Subquery(previous.values("pk")[:1])))
        found = model.objects.in_bulk([pk for pk in pairs.values() if pk])
        earlier |= {(model, pk): found.get(before) for pk, before in pairs.items()}
    return [entry(version, earlier[type(version), version.pk]) for version in versions]


def entry(version: Any, before: Any) -> Entry:
    model = version.instance_type
    history_admin = admin.site.get_model_admin(type(version))
    return Entry(
        at=version.history_date,
        by=version.history_user,
        verb=(version.history_change_reason or VERBS[version.history_type]).capitalize(),
        kind=model._meta.verbose_name,
        what=history_admin.record(version),
        url=reverse(f"admin:{version._meta.app_label}_{version._meta.model_name}_change", args=[version.pk]),
        changes=changes(version, before) if before and version.history_type != "-" else [],
        record_id=version.id,
    )


def changes(version: Any, before: Any) -> list[Change]:
    """Return the fields in which two versions differ."""
    return [
        Change(str(field.verbose_name), shown(before, field), shown(version, field))
        for field in version.tracked_fields
        if field.name not in IMMUTABLE and getattr(version, field.attname) != getattr(before, field.attname)
    ]


def shown(version: Any, field: Any) -> str:
    """Return the value of a field as text."""
    value = getattr(version, field.attname)
    if isinstance(field, ForeignKey) and value is not None:
        related: Any = field.related_model
        record = related._base_manager.filter(pk=value).first() or f"#{value}"
        # The name of a user, without the e-mail.
        return str(getattr(record, "name", record))
    return "" if value is None else str(value)
