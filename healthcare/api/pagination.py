"""Keyset pagination: a page starts after the key of the previous page's last row, so all pages cost the same.

See https://use-the-index-luke.com/no-offset. A list without `limit` streams such pages one after another: memory is
bounded, no database cursor stays open, and it works behind a connection pooler.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import F, Field, Model, Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from healthcare.api.json import encode
from healthcare.api.streaming import Rows, respond

# The value and the id of the row after which a page starts.
After = tuple[Any, Any]


class Order(NamedTuple):
    """The order of a list: a field of the model, then the id for ties."""

    field: Field
    descending: bool
    # A column that is constant within the list and precedes the id in an index.
    prefix: str | None = None

    @classmethod
    def of(cls, model: type[Model], ordering: str, view: Any) -> Self:
        """Return the order for `ordering`: the name of a field, with `-` for descending."""
        field: Any = model._meta.get_field(ordering.removeprefix("-"))
        return cls(field, ordering.startswith("-"), getattr(view, "ordering_prefix", None))

    def sort(self, queryset: QuerySet, after: After | None = None) -> QuerySet:
        """Return the rows in this order that come after the row with the (value, id) `after`."""
        return (queryset.filter(self._beyond(*after)) if after else queryset).order_by(*self._keys())

    def key(self, row: Model) -> After:
        return getattr(row, self.field.attname), row.pk

    def _keys(self) -> list[Any]:
        name = self.field.name
        if self.field.null:
            key = F(name).desc(nulls_last=True) if self.descending else F(name).asc(nulls_last=True)
        else:
            key = F(name).desc() if self.descending else F(name).asc()
        if name != "id":
            return [key, "-id" if self.descending else "id"]
        return [f"-{self.prefix}" if self.descending else self.prefix, key] if self.prefix else [key]

    def _beyond(self, value: Any, last_id: Any) -> Q:
        """Return the condition for rows after the row with `value` and `last_id`; nulls come last."""
        name, side = self.field.name, "lt" if self.descending else "gt"
        tie = Q(**{f"id__{side}": last_id})
        if name == "id":
            return tie
        if value is None:
            return Q(**{f"{name}__isnull": True}) & tie
        # The first condition is redundant, but lets the database start an index scan at the right place.
        later = Q(**{f"{name}__{side}e": value}) & (Q(**{f"{name}__{side}": value}) | tie)
        return later | Q(**{f"{name}__isnull": True}) if self.field.null else later


class KeysetPagination(BasePagination):
    """Paginate by `?limit=`; the `Link` header has the URL of the next page, with an opaque `?cursor=`."""

    limit_query_param = "limit"
    cursor_query_param = "cursor"
    max_limit = 1000

    def read_query(self, request: Request, queryset: QuerySet | None, view: Any) -> None:
        """Read the limit, the order and the cursor; raise ValidationError (400) on the invalid parameter."""
        self.request = request
        # An empty query string needs no parsing.
        parameters = request.query_params if request.META.get("QUERY_STRING") else {}
        self.order = Order.of(view.queryset.model, self.get_ordering(request, queryset, view), view)
        self.limit = self._limit(parameters)
        self.after = self._after(parameters.get(self.cursor_query_param))
        self.next_key: After | None = None

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> str:
        """Return the ordering that the view's ordering filter reads from the query, as DRF's CursorPagination does."""
        for backend in view.filter_backends:
            if hasattr(backend, "get_ordering"):
                ordering: Sequence[str] | None = backend().get_ordering(request, queryset, view)
                return ordering[0] if ordering else "id"
        return "id"

    def paginate_queryset(self, queryset: QuerySet, request: Request, view: Any = None) -> list[Any] | None:
        """Return the rows of the page, or None without a `limit`."""
        self.read_query(request, queryset, view)
        if self.limit is None:
            return None
        rows = list(self.order.sort(queryset, self.after)[: self.limit + 1])
        if len(rows) > self.limit:
            self.next_key = self.order.key(rows[self.limit - 1])
        return rows[: self.limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response(data, headers=self._headers())

    def get_response(self, rows: Rows) -> HttpResponse | StreamingHttpResponse:
        """Return the response for a page or the whole list, in bounded memory."""
        response, self.next_key = respond(self.request, rows, self.after, self.limit)
        for name, value in self._headers().items():
            response[name] = value
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": self.max_limit}
        return [
            parameter(self.limit_query_param, limit, "Rows per page; `Link` has the next page. Without it, all rows."),
            # Importers send the example, and would invent a value without one.
            parameter(
                self.cursor_query_param, {"type": "string"}, "Start of the page, from the `Link` header.", example=""
            ),
        ]

    def _headers(self) -> dict[str, str]:
        if not self.limit or not self.next_key:
            return {}
        cursor = base64.urlsafe_b64encode(encode(self.next_key)).decode().rstrip("=")
        query = urlencode({**self.request.query_params.dict(), self.cursor_query_param: cursor})
        url = f"{self.request.scheme}://{self.request.get_host()}{self.request.path}?{query}"
        return {"Link": f'<{url}>; rel="next"'}

    def _limit(self, parameters: Mapping[str, str]) -> int | None:
        name = self.limit_query_param
        given = parameters.get(name)
        if given is None:
            if parameters.get(self.cursor_query_param):
                raise ValidationError({name: ["A limit is required with a cursor."]})
            return None
        if not re.fullmatch(r"[0-9]{1,9}", given) or not 1 <= int(given) <= self.max_limit:
            raise ValidationError({name: [f"Must be a whole number from 1 to {self.max_limit}."]})
        return int(given)

    def _after(self, cursor: str | None) -> After | None:
        """Return the (value, id) in a cursor; None for the first page."""
        if not cursor:
            return None
        field = self.order.field
        try:
            key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            value, last_id = json.loads(key)
            if value is not None or not field.null:
                value = field.clean(value, None)
            last_id = field.model._meta.pk.clean(last_id, None)
            # Only accept cursors that `_headers` would produce.
            if not 0 < last_id < 10**18 or encode([value, last_id]) != key:
                raise ValueError(key)
            return value, last_id
        except (ValueError, TypeError, OverflowError, RecursionError, DjangoValidationError):
            message = "Invalid cursor for this list: use the URL in the Link header unchanged."
            raise ValidationError({self.cursor_query_param: [message]}) from None


def parameter(name: str, schema: dict[str, Any], description: str, **more: Any) -> dict[str, Any]:
    """Return a query parameter of the OpenAPI document."""
    return {"name": name, "in": "query", "schema": schema, "description": description, **more}
