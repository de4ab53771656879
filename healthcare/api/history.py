"""Every version of a record, newest first: what changed, when, and by whom."""

from typing import TYPE_CHECKING, Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.decorators import action

from healthcare.api.json import encode
from healthcare.api.requests import ApiRequest
from healthcare.api.serializers import RecordVersionSerializer
from healthcare.api.streaming import Rows, largest_row, respond

if TYPE_CHECKING:
    from accounts.models import User

COLUMNS = ("history_id", "history_type", "history_date", "history_user_id", "history_change_reason", "user_id")
ACTIONS = {"+": "created", "~": "changed", "-": "deleted"}


def versions(
    rows: list[dict[str, Any]], names: list[str], before: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return history rows (newest first) in the API's format; `before` is the version before the oldest row.

    Each: {"id", "action", "at", "by" (a user's id or None), "changes": [{"field", "old", "new"}]}.
    """
    found = []
    for row, older in zip(rows, [*rows[1:], before], strict=True):
        changed = [name for name in names if row[name] != (older[name] if older else None)]
        if row["history_type"] == "-":
            changed = []
        found.append(
            {
                "id": row["history_id"],
                "action": row["history_change_reason"] or ACTIONS[row["history_type"]],
                "at": row["history_date"],
                "by": row["history_user_id"],
                "changes": [
                    {"field": name, "old": older[name] if older else None, "new": row[name]} for name in changed
                ],
            }
        )
    return found


class HistoryMixin:
    """Add `history/` to a record; it remains available when the record is deleted."""

    queryset: Any
    serializer_class: Any

    @extend_schema(responses=RecordVersionSerializer(many=True))
    @action(detail=True, methods=["get"])
    def history(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Every version, newest first: what changed, when, by whom. Also of a deleted record."""
        model = self.queryset.model
        tracked = {field.name: field for field in model.history.model.tracked_fields}
        names = [
            name
            for name in self.serializer_class.Meta.fields
            if name in tracked and name not in ("id", "created_at", "user")
        ]
        stored = model.history.filter(id=int(kwargs["pk"])).order_by("-history_id").values(*COLUMNS, *names)
        newest = stored.first()
        if not newest or not self.may_read_history(request.user, newest):
            raise exceptions.NotFound

        def fetch(last_id: int | None, number: int, offset: int) -> list[dict[str, Any]]:
            rows = stored.filter(history_id__lt=last_id) if last_id else stored
            return list(rows[offset : offset + number])

        def objects(rows: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
            return versions(rows[:number], names, *rows[number:])

        rows = Rows(
            fetch,
            key=lambda row: row["history_id"],
            id=lambda row: row["history_id"],
            encode=lambda rows, number: encode(objects(rows, number)),
            objects=objects,
            # Each version contains old and new values.
            largest=2 * largest_row([tracked[name] for name in names]),
        )
        return respond(request, rows)[0]

    def may_read_history(self, user: "User", newest: dict[str, Any]) -> bool:
        """Return whether `user` may see the record, existing or deleted, whose newest version is `newest`."""
        raise NotImplementedError
