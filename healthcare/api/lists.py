"""Lists: filters, search, ordering and keyset pages; everything is streamed where no page is asked for.

A page is found by the values of the last row before it, not by counting rows to skip, so page 10,000 costs what page 1
does (https://use-the-index-luke.com/no-offset). A list without `limit` is the same pages, one after another: its memory
does not grow with its rows, no cursor is held open in the database, and a pooler in front of it does not matter.

A list that is neither filtered nor searched is read by compiled SQL; any other by the queryset it was compiled from.
"""

import base64
import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial, reduce
from operator import or_
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlencode

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import connection
from django.db.models import DateTimeField, F, Field, Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError

from healthcare.api.json import encode, encode_rows, json_response
from healthcare.api.requests import ApiRequest
from healthcare.api.serializers import ModelSerializer
from healthcare.db.compiled import CompiledQuery, Placeholder, Row
from healthcare.db.functions import fold
from healthcare.logs import log_access

log = logging.getLogger("healthcare.lists")

CHUNK = 1000
MAX_LIMIT = 1000
MAX_SEARCH = 100
# The value and the id of the row that a page starts behind.
After = tuple[Any, Any]
SEARCH, ORDERING, LIMIT, CURSOR = "search", "ordering", "limit", "cursor"


def query_parameters(request: ApiRequest, allowed: Collection[str]) -> dict[str, str]:
    """Return the query string as a dict; raise ValidationError (400) naming what is unknown, doubled or malformed."""
    raw = request.META.get("QUERY_STRING", "")
    if not raw:
        return {}
    try:
        text = unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise ValidationError({"detail": "The query string is not UTF-8."}) from None
    if "\0" in text:
        raise ValidationError({"detail": "The query string holds a NUL character."})
    known = f"Known here: {', '.join(sorted(allowed))}." if allowed else "This path takes none."
    problems = {}
    for name, values in request.GET.lists():
        if name not in allowed:
            problems[name] = [f"Unknown query parameter. {known}"]
        elif len(values) > 1:
            problems[name] = ["Given more than once: send it once."]
    if problems:
        raise ValidationError(problems)
    return request.GET.dict()


class Order(NamedTuple):
    """How a list is ordered: a column of the model, `-` for descending, and the id where that leaves a tie."""

    field: Field
    descending: bool
    # The column that is the same in every row, where an index has it in front of the id.
    grouped_by: str | None = None

    def page(self, queryset: QuerySet, columns: Sequence[str], after: After | None = None) -> QuerySet:
        """Return the rows of `columns` in this order that come after the one with `after`, its (value, id)."""
        if after:
            queryset = queryset.filter(self._beyond(*after))
        return queryset.order_by(*self._keys()).values_list(*columns)

    def _keys(self) -> list[Any]:
        name = self.field.name
        if self.field.null:
            key = F(name).desc(nulls_last=True) if self.descending else F(name).asc(nulls_last=True)
        else:
            key = F(name).desc() if self.descending else F(name).asc()
        if name != "id":
            return [key, "-id" if self.descending else "id"]
        return [f"-{self.grouped_by}" if self.descending else self.grouped_by, key] if self.grouped_by else [key]

    def _beyond(self, value: Any, last_id: Any) -> Q:
        """Return the condition of the rows that come after the one with `value` and `last_id`; null comes last."""
        name, side = self.field.name, "lt" if self.descending else "gt"
        tie = Q(**{f"id__{side}": last_id})
        if name == "id":
            return tie
        if value is None:
            return Q(**{f"{name}__isnull": True}) & tie
        # The first condition says nothing new, but it is what lets the database enter an index at the right place.
        later = Q(**{f"{name}__{side}e": value}) & (Q(**{f"{name}__{side}": value}) | tie)
        return later | Q(**{f"{name}__isnull": True}) if self.field.null else later


class Listing:
    """One list endpoint: what it may be filtered, searched and ordered by, and which columns it answers.

    `queryset(**scope)` returns the rows of a scope, such as those `visible_to` a user; `serializer` has the columns,
    the id first; `search` names text columns, `ordering` any columns, `grouped_by` the one of `Order`.
    """

    def __init__(
        self,
        queryset: Callable[..., QuerySet],
        serializer: type[ModelSerializer],
        filterset: type[filters.FilterSet] | None = None,
        search: Sequence[str] = (),
        ordering: Sequence[str] = ("id",),
        grouped_by: str | None = None,
    ) -> None:
        self.queryset, self.filterset, self.search = queryset, filterset, search
        self.ordering, self.grouped_by = ordering, grouped_by
        model: Any = serializer.Meta.model
        self.model, self.columns = model, serializer.columns()
        self.moments = [
            index
            for index, attribute in enumerate(self.columns.values())
            if isinstance(self.model._meta.get_field(attribute), DateTimeField)
        ]
        self.filters = set(filterset.base_filters) if filterset else set()
        self.parameters = {LIMIT, CURSOR, ORDERING, *self.filters, *([SEARCH] if search else [])}
        self.compiled = cache(self._compiled)

    def respond(self, request: ApiRequest, **scope: Any) -> HttpResponse | StreamingHttpResponse:
        """Answer the rows of `scope` that the query string asks for: an array, whole or one page of it.

        Raises ValidationError (400) that names the parameter at fault.
        """
        parameters = query_parameters(request, self.parameters)
        order = self._order(parameters.get(ORDERING, "id"))
        limit = self._limit(parameters)
        after = self._after(parameters, order)
        if parameters.keys() & {SEARCH, *self.filters}:
            page = partial(self._page, order, self._narrowed(parameters, self.queryset(**scope)))
        else:
            page = partial(self._compiled_page, order, scope)
        rows = page(after, limit or CHUNK)
        log_access(request, (row[0] for row in rows[: limit or CHUNK]))
        if not limit and len(rows) > CHUNK:
            return streamed(request.id, self._chunks(request.id, page, order, rows))
        response = json_response(self._encoded(rows[: limit or CHUNK]))
        if limit and len(rows) > limit:
            response["Link"] = self._next(request, parameters, order, rows[limit - 1])
        return response

    # What is asked for

    def _narrowed(self, parameters: dict[str, str], queryset: QuerySet) -> QuerySet:
        empty = [name for name in parameters if name in self.filters and not parameters[name].strip()]
        if empty:
            raise ValidationError({name: ["Give it a value, or leave it out."] for name in empty})
        filterset = self.filterset and self.filterset(data=parameters, queryset=queryset)
        if filterset:
            if not filterset.is_valid():
                raise ValidationError(filterset.errors)
            queryset = filterset.qs
        text = fold(parameters.get(SEARCH, "").strip())
        if len(text) > MAX_SEARCH:
            raise ValidationError({SEARCH: [f"Must have at most {MAX_SEARCH} characters."]})
        if text:
            queryset = queryset.filter(reduce(or_, (Q(**{f"{name}__fold__contains": text}) for name in self.search)))
        return queryset

    def _order(self, wanted: str) -> Order:
        column = wanted.removeprefix("-")
        if column not in self.ordering:
            raise ValidationError({ORDERING: [f"Must be one of {', '.join(self.ordering)}, with - for descending."]})
        return Order(self.model._meta.get_field(column), wanted.startswith("-"), self.grouped_by)

    def _limit(self, parameters: dict[str, str]) -> int | None:
        given = parameters.get(LIMIT)
        if given is None:
            if CURSOR in parameters:
                raise ValidationError({LIMIT: ["A cursor needs the limit it came with."]})
            return None
        if not re.fullmatch(r"[0-9]{1,4}", given) or not 1 <= int(given) <= MAX_LIMIT:
            raise ValidationError({LIMIT: [f"Must be a whole number from 1 to {MAX_LIMIT}."]})
        return int(given)

    def _after(self, parameters: dict[str, str], order: Order) -> After | None:
        """Return the (value, id) a page starts behind, from its cursor; None for the first page."""
        cursor = parameters.get(CURSOR)
        if cursor is None:
            return None
        try:
            key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            value, last_id = json.loads(key)
            if value is not None or not order.field.null:
                value = order.field.clean(value, None)
            last_id = order.field.model._meta.pk.clean(last_id, None)
            # Whatever comes out otherwise than it went in, `_next` did not write.
            if not 0 < last_id < 10**18 or encode([value, last_id]) != key:
                raise ValueError(key)
            return value, last_id
        except (ValueError, TypeError, OverflowError, RecursionError, DjangoValidationError):
            raise ValidationError({CURSOR: ["Not a cursor of this list: follow the Link header."]}) from None

    # The page

    def _page(self, order: Order, queryset: QuerySet, after: After | None, size: int) -> list[Row]:
        """Return up to `size` + 1 rows: the one too many tells that there is more."""
        return list(order.page(queryset, self._selected(order), after)[: size + 1])

    def _compiled_page(self, order: Order, scope: dict[str, Any], after: After | None, size: int) -> list[Row]:
        """Return what `_page` does, by SQL compiled once for each order and kind of place to start behind."""
        value, last_id = after or (None, None)
        start = "first" if after is None else "null" if value is None else "value"
        scope = {name: getattr(value, "pk", value) for name, value in scope.items()}
        value = order.field.get_db_prep_value(value, connection)
        return self.compiled(order, start, *scope).rows(limit=size + 1, value=value, last_id=last_id, **scope)

    def _compiled(self, order: Order, start: str, *scope: str) -> CompiledQuery:
        after = {
            "first": None,
            "null": (None, Placeholder("last_id")),
            "value": (Placeholder("value"), Placeholder("last_id")),
        }[start]
        slots = {name: Placeholder(name) for name in scope}
        return CompiledQuery(lambda: order.page(self.queryset(**slots), self._selected(order), after))

    def _selected(self, order: Order) -> list[str]:
        """Return the attributes of a row: those of the answer, and the ordering one where it is not among them."""
        name = order.field.attname
        return [*self.columns.values(), *([] if name in self.columns.values() else [name])]

    def _key(self, order: Order, row: Row) -> After:
        return row[self._selected(order).index(order.field.attname)], row[0]

    def _next(self, request: ApiRequest, parameters: Mapping[str, str], order: Order, row: Row) -> str:
        cursor = base64.urlsafe_b64encode(encode(self._key(order, row))).decode().rstrip("=")
        query = urlencode({**parameters, CURSOR: cursor})
        return f'<{request.scheme}://{request.get_host()}{request.path}?{query}>; rel="next"'

    # The bytes

    def _encoded(self, rows: list[Row]) -> bytes:
        return encode_rows(self.columns, rows, self.moments)

    def _chunks(
        self, request_id: str, page: Callable[[After | None, int], list[Row]], order: Order, rows: list[Row]
    ) -> Iterator[bytes]:
        while True:
            yield self._encoded(rows[:CHUNK])
            if len(rows) <= CHUNK:
                break
            rows = page(self._key(order, rows[CHUNK - 1]), CHUNK)
            log.info("list continued", extra={"data": {"request_id": request_id, "ids": [r[0] for r in rows[:CHUNK]]}})


def streamed(request_id: str, chunks: Iterator[bytes]) -> StreamingHttpResponse:
    """Answer one JSON array of what is in the arrays of `chunks`, each made when the client has read the one before."""
    return StreamingHttpResponse(_joined(request_id, chunks), content_type="application/json")


def _joined(request_id: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield b"["
    separator = b""
    try:
        for chunk in chunks:
            yield separator + chunk[1:-1]
            separator = b","
    except Exception as error:
        # The status is sent: all that is left is to break off, so that nobody takes the part for the whole.
        log.error("list broken off", extra={"data": {"request_id": request_id}}, exc_info=error)
        raise ConnectionAbortedError("the list was broken off") from None
    yield b"]"
