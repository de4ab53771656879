"""Every version of a record, newest first: what changed, when, and by whom."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.decorators import action

from healthcare.api.json import encode, json_response
from healthcare.api.lists import CHUNK, streamed
from healthcare.api.requests import ApiRequest
from healthcare.api.serializers import ModelSerializer, VersionSerializer

if TYPE_CHECKING:
    from accounts.models import User

KEPT = ("history_id", "history_type", "history_date", "history_user_id", "history_change_reason", "user_id")
TYPES = {"+": "created", "~": "changed", "-": "deleted"}


def versions(
    rows: list[dict[str, Any]], names: list[str], before: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return history rows (newest first, as dicts) as the API tells them; `before` is the one before the oldest.

    Each: {"id", "action", "at", "by" (a user's id or None), "changes": [{"field", "old", "new"}]}.
    """
    told = []
    for row, older in zip(rows, [*rows[1:], before], strict=True):
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
    def history(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Every version, newest first: what changed, when, by whom. Also of a deleted record."""
        names = [name for name in self.serializer_class.columns() if name not in ("id", "created_at", "user")]
        kept = self.model.history.filter(id=int(kwargs["pk"])).order_by("-history_id").values(*KEPT, *names)
        rows = list(kept[: CHUNK + 1])
        if not rows or not self.may_read_history(request.user, rows[0]):
            raise exceptions.NotFound
        if len(rows) > CHUNK:
            return streamed(request.id, chunks(kept, rows, names))
        return json_response(encode(versions(rows, names)))

    def may_read_history(self, user: "User", newest: dict[str, Any]) -> bool:
        """Tell whether `user` sees the record, existing or deleted, whose newest version is `newest`."""
        raise NotImplementedError


def chunks(kept: QuerySet[Any], rows: list[dict[str, Any]], names: list[str]) -> Iterator[bytes]:
    """Encode the versions of `kept` CHUNK by CHUNK, from `rows` on: the first of them, and one more if there is one."""
    while rows:
        yield encode(versions(rows[:CHUNK], names, *rows[CHUNK:]))
        older = kept.filter(history_id__lt=rows[CHUNK - 1]["history_id"]) if len(rows) > CHUNK else kept.none()
        rows = list(older[: CHUNK + 1])
