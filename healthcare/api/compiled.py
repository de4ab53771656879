"""Decide which actions of a viewset may use compiled SQL: those without hooks that it would skip.

Hooks are what Django and DRF document: `perform_create`, `get_queryset`, `Serializer.to_representation`, `Model.save`,
signals and so on. If one is defined, the ORM path handles the action, on both databases. It is decided once per class,
and again when a signal gets another receiver.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

from django.db import connection, models
from django.db.models import QuerySet
from rest_framework import permissions

from healthcare.api import filters
from healthcare.api.columns import columns, serializer_write_hooks
from healthcare.api.json import encode_rows
from healthcare.api.pagination import After, KeysetPagination, Order
from healthcare.api.permissions import IsCreatorOrHasModelPermission
from healthcare.api.streaming import Rows, largest_row
from healthcare.db.compiled import CompiledQuery, Placeholder, Row, is_fixed_shape
from healthcare.db.hooks import create_hooks, overridden, read_hooks, write_hooks
from healthcare.db.writes import CompiledWrites

log = logging.getLogger("healthcare.compiled")

SERIALIZER = ("get_serializer", "get_serializer_class", "get_serializer_context")
OBJECT = (
    "get_object",
    "filter_queryset",
    "lookup_field",
    "lookup_url_kwarg",
    "check_object_permissions",
    "get_permissions",
)
LIST = ("paginator", "paginate_queryset", "get_paginated_response")
PAGINATOR = ("paginate_queryset", "get_paginated_response")
KNOWN_BACKENDS = {filters.FilterBackend, filters.SearchFilter, filters.OrderingFilter}


class CompiledPath:
    """The compiled SQL of a viewset class, and which actions may use it."""

    def __init__(self, view: type[Any], base: type[Any]) -> None:
        self.view, self.base = view, base
        self.model = view.queryset.model
        self.columns = columns(view.serializer_class, self.model)
        self.attributes = list((self.columns or {}).values())
        self.writes = cache(self._writes)
        self._list_query = cache(self._compiled_list)

    # Decisions

    @cached_property
    def responds(self) -> bool:
        """Return whether responses consist of columns only."""
        hooks = overridden(self.view, self.base, SERIALIZER) + read_hooks(self.model)
        return self._may("respond", hooks if self.columns else [*hooks, self.view.serializer_class.__name__])

    @cached_property
    def retrieves(self) -> bool:
        """Return whether a single record is read by compiled SQL."""
        return self.responds and self._may("retrieve", self._object_hooks())

    @cached_property
    def pages(self) -> bool:
        """Return whether lists are paginated by `KeysetPagination.get_response`."""
        paginator = self.view.pagination_class
        if paginator is None or not issubclass(paginator, KeysetPagination):
            return False
        hooks = overridden(self.view, self.base, LIST) + overridden(paginator, KeysetPagination, PAGINATOR)
        return self._may("page", hooks)

    @cached_property
    def lists(self) -> bool:
        """Return whether a list that is neither filtered nor searched is read by compiled SQL."""
        hooks = overridden(self.view, self.base, ["filter_queryset"]) + self._queryset_hooks()
        return self.responds and self._may("list", hooks)

    def _writes(self, action: str) -> CompiledWrites | None:
        """Return the compiled writes if `action` (create, update or destroy) may use them, else None."""
        if connection.vendor != "postgresql" or not self.responds:
            return None
        hooks = overridden(self.view, self.base, [f"perform_{action}"]) + write_hooks(self.model)
        hooks += create_hooks(self.model) if action == "create" else self._object_hooks()
        if action != "destroy":
            hooks += serializer_write_hooks(self.view.serializer_class, self.model, action)
        if "user_id" not in [field.attname for field in self.model._meta.concrete_fields]:
            hooks.append("no field named user")
        return self._compiled_writes if self._may(action, hooks) else None

    def _queryset_hooks(self) -> list[str]:
        hooks = [backend.__name__ for backend in self.view.filter_backends if backend not in KNOWN_BACKENDS]
        hooks += filters.filterset_hooks(getattr(self.view, "filterset_class", None))
        methods = [self.view.get_queryset, getattr(self.view.queryset, "visible_to", None)]
        return hooks + [method.__qualname__ for method in methods if method and not is_fixed_shape(method)]

    def _object_hooks(self) -> list[str]:
        default = permissions.BasePermission.has_object_permission
        return [
            *overridden(self.view, self.base, OBJECT),
            *self._queryset_hooks(),
            *(
                getattr(permission, "__name__", repr(permission))
                for permission in self.view.permission_classes
                if permission is not IsCreatorOrHasModelPermission
                and getattr(permission, "has_object_permission", None) is not default
            ),
        ]

    def _may(self, action: str, hooks: Sequence[str]) -> bool:
        if hooks:
            log.debug("%s: %s uses the ORM because of %s", self.view.__name__, action, ", ".join(hooks))
        return not hooks

    # SQL

    def queryset(self, *url_kwargs: str) -> QuerySet:
        """Return the view's queryset with placeholders for the user and the `url_kwargs`."""
        view = self.view()
        view.request = SimpleNamespace(user=Placeholder("user"))
        view.kwargs = {name: Placeholder(name) for name in url_kwargs}
        return view.get_queryset()

    @cached_property
    def detail_query(self) -> CompiledQuery:
        """Return the compiled query of one record that `user` may see."""
        return CompiledQuery(
            lambda: self.queryset().filter(pk=Placeholder("pk")).order_by().values_list(*self.attributes)
        )

    @cached_property
    def _compiled_writes(self) -> CompiledWrites:
        def subject() -> QuerySet:
            queryset = self.queryset().filter(pk=Placeholder("pk"))
            restricted = IsCreatorOrHasModelPermission in self.view.permission_classes
            return IsCreatorOrHasModelPermission.created_by(queryset, Placeholder("user")) if restricted else queryset

        return CompiledWrites(self.model, self.columns or {}, subject)

    def compiled_rows(self, order: Order, user_id: int, url_kwargs: dict[str, int]) -> Rows:
        """Return the rows of the view's queryset, by SQL that is compiled once for each order and kind of key."""

        def fetch(after: After | None, number: int, offset: int) -> list[Row]:
            value, last_id = after or (None, None)
            start = "first" if after is None else "null" if value is None else "value"
            value = order.field.get_db_prep_value(value, connection)
            query = self._list_query(order, start, *url_kwargs)
            return query.rows(number, offset, user=user_id, value=value, last_id=last_id, **url_kwargs)

        return self._rows(order, fetch)

    def _compiled_list(self, order: Order, start: str, *url_kwargs: str) -> CompiledQuery:
        last_id = Placeholder("last_id")
        after = {"first": None, "null": (None, last_id), "value": (Placeholder("value"), last_id)}[start]
        return CompiledQuery(lambda: order.sort(self.queryset(*url_kwargs), after).values_list(*self._selected(order)))

    def queryset_rows(self, order: Order, queryset: QuerySet, scans: bool) -> Rows:
        """Return the rows of `queryset`, reading only the columns of the response."""

        def fetch(after: After | None, number: int, offset: int) -> list[Row]:
            return list(order.sort(queryset, after).values_list(*self._selected(order))[offset : offset + number])

        return self._rows(order, fetch)._replace(scans=scans)

    def _rows(self, order: Order, fetch: Callable[[After | None, int, int], list[Row]]) -> Rows:
        selected = self._selected(order)
        value, pk = selected.index(order.field.attname), selected.index(self.model._meta.pk.attname)
        return Rows(
            fetch,
            key=lambda row: (row[value], row[pk]),
            id=itemgetter(pk),
            encode=lambda rows, number: encode_rows(self.columns or {}, rows[:number], self._timestamps),
            objects=lambda rows, number: [dict(zip(self.columns or {}, row, strict=False)) for row in rows[:number]],
            largest=self._largest,
        )

    def _selected(self, order: Order) -> list[str]:
        """Return the attributes of a row: those of the response, then those of the key that are missing."""
        return list(dict.fromkeys([*self.attributes, order.field.attname, self.model._meta.pk.attname]))

    @cached_property
    def _timestamps(self) -> list[int]:
        """Return the positions of timestamps in a row."""
        fields = [self.model._meta.get_field(name) for name in self.attributes]
        return [position for position, field in enumerate(fields) if isinstance(field, models.DateTimeField)]

    @cached_property
    def _largest(self) -> int:
        return largest_row([self.model._meta.get_field(name) for name in self.attributes])
