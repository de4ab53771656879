"""Every version of a record, newest first: what changed, when, and by whom."""

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.decorators import action

from healthcare.api.json import encode
from healthcare.api.requests import ApiRequest
from healthcare.api.serializers import ModelSerializer, VersionSerializer
from healthcare.api.viewsets import json_response

if TYPE_CHECKING:
    from accounts.models import User

TYPES = {"+": "created", "~": "changed", "-": "deleted"}


def versions(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return history rows (newest first, as dicts) as the API tells them.

    Each: {"id", "action", "at", "by" (a user's id or None), "changes": [{"field", "old", "new"}]}.
    """
    told = []
    for row, older in zip(rows, [*rows[1:], None], strict=True):
        changed = [name for name in names if row[name] != (older[name] if older else None)]
        if row["history_type"] == "-":
            changed = []
        told.append(
            {
                "id": row["history_id"],
                "action": row["history_change_reason"] or TYPES[row["history_type"]],
                "at": row["history_date"],
                "by": row["history_user_id"],
                "changes": [
                    {"field": name, "old": older[name] if older else None, "new": row[name]} for name in changed
                ],
            }
        )
    return told


class HistoryMixin:
    """Add `history/` to a record: also a deleted one keeps its own."""

    model: Any
    serializer_class: type[ModelSerializer]

    @extend_schema(responses=VersionSerializer(many=True))
    @action(detail=True, methods=["get"])
    def history(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Every version, newest first: what changed, when, by whom. Also of a deleted record."""
        names = [name for name in self.serializer_class.columns() if name not in ("id", "created_at", "user")]
        rows = list(
            self.model.history.filter(id=int(kwargs["pk"]))
            .order_by("-history_id")
            .values(
                "history_id",
                "history_type",
                "history_date",
                "history_user_id",
                "history_change_reason",
                "user_id",
                *names,
            )
        )
        if not rows or not self.may_read_history(request.user, rows[0]):
            raise exceptions.NotFound
        return json_response(encode(versions(rows, names)))

    def may_read_history(self, user: "User", newest: dict[str, Any]) -> bool:
        """Tell whether `user` sees the record, existing or deleted, whose newest version is `newest`."""
        return True
