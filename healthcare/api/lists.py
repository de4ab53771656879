"""Lists: filters, search, ordering and keyset pages; everything is streamed where no page is asked for.

A page is found by the values of the last row before it, not by counting rows to skip, so page 10,000 costs what page 1
does (https://use-the-index-luke.com/no-offset). A list without `limit` is the same pages, one after another: its memory
does not grow with its rows, no cursor is held open in the database, and a pooler in front of it does not matter.
"""

import base64
import json
import logging
import re
from functools import reduce
from operator import or_
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from django import forms
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import F, Field, Q
from django.http import HttpResponse, StreamingHttpResponse
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError

from healthcare.api.json import encode
from healthcare.db.functions import fold
from healthcare.fields import validate_gender

log = logging.getLogger("healthcare.errors")

CHUNK = 1000
MAX_LIMIT = 1000
MAX_SEARCH = 100
SEARCH, ORDERING, LIMIT, CURSOR = "search", "ordering", "limit", "cursor"


class IntegerFormField(forms.IntegerField):
    """A whole number in ASCII digits. Django's takes any script's digits, and `3.0` for 3."""

    def to_python(self, value):
        if value and not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise DjangoValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class IntegerFilter(filters.Filter):
    field_class = IntegerFormField


class GenderFormField(forms.CharField):
    default_validators = [validate_gender]

    def to_python(self, value):
        return super().to_python(value).lower()


class GenderFilter(filters.Filter):
    """Equal without regard to case, as genders are kept as they were sent."""

    field_class = GenderFormField

    def __init__(self, **kwargs):
        super().__init__(lookup_expr="fold", **kwargs)


def query_parameters(request, allowed):
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
    known = ", ".join(sorted(allowed)) or "none"
    problems = {}
    for name, values in request.GET.lists():
        if name not in allowed:
            problems[name] = [f"Unknown query parameter. Known here: {known}."]
        elif len(values) > 1:
            problems[name] = ["Given more than once."]
    if problems:
        raise ValidationError(problems)
    return request.GET.dict()


class Order(NamedTuple):
    """How a list is ordered: a column of the model, `-` for descending, and the id where that leaves a tie."""

    field: Field
    descending: bool

    def keys(self):
        name = self.field.name
        if self.field.null:
            key = F(name).desc(nulls_last=True) if self.descending else F(name).asc(nulls_last=True)
        else:
            key = F(name).desc() if self.descending else F(name).asc()
        return [key] if name == "id" else [key, "-id" if self.descending else "id"]

    def beyond(self, value, last_id):
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

    `columns` is {key of the answer: attribute}, the id first; `search` names text columns, `ordering` any columns.
    """

    def __init__(self, columns, filterset=None, search=(), ordering=("id",)):
        self.columns, self.filterset, self.search, self.ordering = columns, filterset, search, ordering
        self.filters = set(filterset.base_filters) if filterset else set()
        self.parameters = {LIMIT, CURSOR, ORDERING, *self.filters, *([SEARCH] if search else [])}

    def respond(self, request, queryset):
        """Answer the rows of `queryset` that the query string asks for: an array, whole or one page of it.

        Raises ValidationError (400) that names the parameter at fault.
        """
        parameters = query_parameters(request, self.parameters)
        order = self._order(queryset.model, parameters.get(ORDERING, "id"))
        limit = self._limit(parameters)
        after = self._after(parameters, order)
        queryset = self._filtered(request, parameters, queryset)
        rows = self._page(queryset, order, after, limit or CHUNK)
        request._request.touched = [row[0] for row in rows[: limit or CHUNK]]
        if not limit and len(rows) > CHUNK:
            return StreamingHttpResponse(
                self._stream(request.id, queryset, order, rows), content_type="application/json"
            )
        response = HttpResponse(self._encoded(rows[: limit or CHUNK]), content_type="application/json")
        if limit and len(rows) > limit:
            response["Link"] = self._next(request, order, rows[limit - 1])
        return response

    # What is asked for

    def _filtered(self, request, parameters, queryset):
        if parameters.keys() & self.filters:
            filterset = self.filterset(data=parameters, queryset=queryset, request=request)
            if not filterset.is_valid():
                raise ValidationError(filterset.errors)
            queryset = filterset.qs
        text = fold(parameters.get(SEARCH, "").strip())
        if len(text) > MAX_SEARCH:
            raise ValidationError({SEARCH: [f"Must have at most {MAX_SEARCH} characters."]})
        if text:
            queryset = queryset.filter(reduce(or_, (Q(**{f"{name}__fold__contains": text}) for name in self.search)))
        return queryset

    def _order(self, model, wanted):
        column = wanted.removeprefix("-")
        if column not in self.ordering:
            raise ValidationError({ORDERING: [f"Must be one of {', '.join(self.ordering)}, with - for descending."]})
        return Order(model._meta.get_field(column), wanted.startswith("-"))

    def _limit(self, parameters):
        given = parameters.get(LIMIT)
        if given is None:
            if CURSOR in parameters:
                raise ValidationError({LIMIT: ["A cursor needs the limit it came with."]})
            return None
        if not re.fullmatch(r"[0-9]{1,4}", given) or not 1 <= int(given) <= MAX_LIMIT:
            raise ValidationError({LIMIT: [f"Must be a whole number from 1 to {MAX_LIMIT}."]})
        return int(given)

    def _after(self, parameters, order):
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

    def _page(self, queryset, order, after, size):
        """Return up to `size` + 1 rows: the one too many tells that there is more."""
        if after:
            queryset = queryset.filter(order.beyond(*after))
        return list(queryset.order_by(*order.keys()).values_list(*self._selected(order))[: size + 1])

    def _selected(self, order):
        """Return the attributes of a row: those of the answer, and the ordering one where it is not among them."""
        name = order.field.attname
        return [*self.columns.values(), *([] if name in self.columns.values() else [name])]

    def _key(self, order, row):
        return row[self._selected(order).index(order.field.attname)], row[0]

    def _next(self, request, order, row):
        query = request.GET.copy()
        query[CURSOR] = base64.urlsafe_b64encode(encode(self._key(order, row))).decode().rstrip("=")
        return f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="next"'

    # The bytes

    def _encoded(self, rows):
        return encode([dict(zip(self.columns, row, strict=False)) for row in rows])

    def _stream(self, request_id, queryset, order, rows):
        yield b"["
        while True:
            yield self._encoded(rows[:CHUNK])[1:-1]
            if len(rows) <= CHUNK:
                break
            yield b","
            try:
                rows = self._page(queryset, order, self._key(order, rows[CHUNK - 1]), CHUNK)
            except Exception as error:
                # The status is sent: all that is left is to break off, so that nobody takes the part for the whole.
                log.error("list broken off", extra={"data": {"request_id": request_id}}, exc_info=error)
                raise ConnectionAbortedError("the list was broken off") from None
        yield b"]"
