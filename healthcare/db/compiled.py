"""Querysets with placeholders, whose SQL is compiled once and then only executed.

Building and compiling a queryset takes Django many times as long as PostgreSQL needs to execute it, and the SQL of an
endpoint only differs in a few values. The SQL must not depend on those values, so a parameter cannot be None.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

Row = tuple[Any, ...]


class Placeholder(Value):
    """Placeholder for a query parameter; also stands in for a logged-in user."""

    is_authenticated = True

    def __init__(self, name: str) -> None:
        super().__init__(_Name(name))


class _Name(str):
    """The name of a placeholder, distinguishable from string parameters."""


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
