"""SQL that is compiled once: a queryset with placeholders, which is then only executed.

Building a queryset and compiling it takes Django many times as long as PostgreSQL needs to answer it, and the SQL of
an endpoint is always the same but for a few values. The shape of the SQL must not depend on those values: a parameter
cannot be None.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

Row = tuple[Any, ...]


class Placeholder(Value):
    """Placeholder for a query parameter; also stands in for a user who is logged in."""

    is_authenticated = True

    def __init__(self, name: str) -> None:
        super().__init__(_Name(name))


class _Name(str):
    """Distinguishes a placeholder's name from a parameter that happens to be a string."""


def filled(params: Iterable[Any], values: Mapping[str, Any]) -> list[Any]:
    return [values[param] if type(param) is _Name else param for param in params]


class CompiledQuery:
    """The rows of a `values_list` queryset that `build()` returns, compiled when it is first used.

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
