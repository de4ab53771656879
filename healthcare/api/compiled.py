"""Queries compiled once: the fast path of every read.

Building a queryset and compiling it to SQL costs Django many times what the database needs to answer it, and for a
given endpoint the SQL is the same every time but for a few values. `CompiledQuery` asks the queryset for its SQL once,
with a `Slot` where a value will stand, and from then on only runs it. The queryset stays the one place that says who
may see a row.

The price: the shape of the query must not depend on the values (no `None` in a slot, no slicing by one).
"""

from functools import cached_property

from django.db import connection
from django.db.models import Value


class Slot(Value):
    """Stands in a queryset for a value given later, also where a user is asked for."""

    is_authenticated = True

    def __init__(self, name):
        super().__init__(_Name(name))


class _Name(str):
    """Tells a slot's name from a parameter that happens to be a string."""


class CompiledQuery:
    """The rows of a `values_list` queryset built by `build()`, compiled at its first use.

    query = CompiledQuery(lambda: Patient.objects.filter(pk=Slot("pk")).values_list("id", "name"))
    query.rows(pk=1)  # [(1, "Alice Smith")]
    """

    def __init__(self, build):
        self._build = build

    @cached_property
    def _compiled(self):
        compiler = self._build().query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        columns = [expression for expression, _, _ in compiler.select]
        return sql, params, compiler, compiler.get_converters(columns)

    def rows(self, **values):
        sql, params, compiler, converters = self._compiled
        with connection.cursor() as cursor:
            cursor.execute(sql, [values[p] if type(p) is _Name else p for p in params])
            rows = cursor.fetchall()
        return list(map(tuple, compiler.apply_converters(rows, converters))) if converters else rows
