"""Querysets with placeholders, whose SQL is compiled once and then only executed.

Building and compiling a queryset takes Django many times as long as PostgreSQL needs to execute it, and the SQL of an
endpoint only differs in a few values. The SQL must not depend on those values, so a parameter cannot be None.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import Manager, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

Row = tuple[Any, ...]
Method = TypeVar("Method", bound=Callable[..., QuerySet])


class Placeholder(Value):
    """Placeholder for a query parameter; also stands in for a logged-in user."""

    is_authenticated = True

    def __init__(self, name: str) -> None:
        super().__init__(_Name(name))


class _Name(str):
    """The name of a placeholder, distinguishable from string parameters."""


def fixed_shape(method: Method) -> Method:
    """Mark a method that returns a queryset: its SQL depends only on the user's id and the values in the path.

    For `visible_to` of a queryset and `get_queryset` of a viewset: their SQL is then compiled once, with a Placeholder
    for the user, so it must not depend on other attributes of the user or on the time.
    """
    method.fixed_shape = True  # type: ignore[attr-defined]
    return method


def is_fixed_shape(method: Any) -> bool:
    return getattr(method, "fixed_shape", False)


def visible_to_user(manager: Manager | QuerySet) -> QuerySet:
    """Return the rows that a user may see, with `Placeholder("user")` for the user.

    Raises ImproperlyConfigured if `visible_to` is not marked as `fixed_shape`.
    """
    queryset: Any = manager.all()
    if not is_fixed_shape(queryset.visible_to):
        name = f"{type(queryset).__name__}.visible_to"
        raise ImproperlyConfigured(f"{name} must be marked @fixed_shape, because other queries are compiled with it.")
    return queryset.visible_to(Placeholder("user"))


def filled(params: Iterable[Any], values: Mapping[str, Any]) -> list[Any]:
    return [values[param] if type(param) is _Name else param for param in params]


class CompiledQuery:
    """The `values_list` queryset that `build()` returns, compiled on first use.

    query = CompiledQuery(lambda: Patient.objects.filter(pk=Placeholder("pk")).values_list("id", "name"))
    query.rows(pk=1)  # [(1, "Alice Smith")]
    """

    def __init__(self, build: Callable[[], QuerySet]) -> None:
        self._build = build

    @cached_property
    def compiled(self) -> tuple[str, Sequence[Any], SQLCompiler, dict[int, Any]]:
        """Return (SQL, parameters, compiler, converters)."""
        compiler = self._build().query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        columns = [expression for expression, _, _ in compiler.select]
        return sql, params, compiler, compiler.get_converters(columns)

    def rows(self, limit: int | None = None, offset: int = 0, **values: Any) -> list[Row]:
        sql, params, compiler, converters = self.compiled
        params = filled(params, values)
        if limit:
            sql, params = f"{sql} LIMIT %s", [*params, limit]
        if offset:
            sql, params = f"{sql} OFFSET %s", [*params, offset]
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            rows = cursor.fetchall()
        return list(map(tuple, compiler.apply_converters(rows, converters))) if converters else rows
