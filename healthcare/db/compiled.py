"""The fast path: SQL compiled once, for every read and, on PostgreSQL, for every write.

Building a queryset and compiling it to SQL costs Django many times what the database needs to answer it, and for a
given endpoint the SQL is the same every time but for a few values. `CompiledQuery` asks a queryset for its SQL once,
with a `Placeholder` for each parameter, and from then on only runs it. `CompiledWrites` changes a row and writes the
change into its history in one statement, which is its own transaction: one round trip where the plain path takes up to
five. The querysets stay the one place that says who may see or change a row.

The price: the shape of a query must not depend on the values (no `None` in a slot), writes call neither `save()` nor
signals, and what they return is what psycopg2 makes of it. What this path cannot decide (why no row was there to
change) is left to the plain one. A server frozen after it got a statement may carry it out later, as with any COMMIT.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cache, cached_property
from typing import Any

from django.db import connection, models, transaction
from django.db.models import QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

CREATED, CHANGED, DELETED = "+", "~", "-"
Row = tuple[Any, ...]


class Placeholder(Value):
    """Placeholder for a query parameter; also stands in for a logged-in user who is not staff."""

    is_authenticated = True
    is_staff = False

    def __init__(self, name: str) -> None:
        super().__init__(_Name(name))


class _Name(str):
    """Distinguishes a placeholder's name from a parameter that happens to be a string."""


def filled(params: Iterable[Any], values: Mapping[str, Any]) -> list[Any]:
    return [values[param] if type(param) is _Name else param for param in params]


class CompiledQuery:
    """The rows of a `values_list` queryset built by `build()`, compiled at its first use.

    query = CompiledQuery(lambda: Patient.objects.filter(pk=Placeholder("pk")).values_list("id", "name"))
    query.rows(pk=1)  # [(1, "Alice Smith")], the first `limit` of them
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

    def rows(self, limit: int | None = None, **values: Any) -> list[Row]:
        sql, params, compiler, converters = self.compiled
        params = filled(params, values)
        if limit:
            sql, params = f"{sql} LIMIT %s", [*params, limit]
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            rows = cursor.fetchall()
        return list(map(tuple, compiler.apply_converters(rows, converters))) if converters else rows


class CompiledWrites:
    """Insert, update and delete the rows of `model` together with their history, on PostgreSQL.

    `subject()` returns the queryset of the one row to change, with the slots `user` and `pk`; `columns` is {key of the
    answer: attribute}. Each method returns the answer as a dict, or None where there was no row that the user may
    change, or where other rows are in its way. Raises IntegrityError for what a constraint refuses.
    """

    def __init__(self, model: Any, columns: dict[str, str], subject: Callable[[], QuerySet]) -> None:
        self.model, self.columns = model, columns
        self._subject = CompiledQuery(lambda: subject().order_by().values_list("pk"))
        self._statement = cache(self._build)

    def insert(self, user_id: int, values: dict[str, Any]) -> dict[str, Any]:
        """Store a new row of `user_id` with `values` ({attribute: value}); what they lack gets its default."""
        fields = [field for field in self.model._meta.concrete_fields if not field.primary_key]
        values = {field.attname: field.get_default() for field in fields} | values | {"user_id": user_id}
        return self._run(CREATED, user_id, values)

    def update(self, user_id: int, pk: int, values: dict[str, Any]) -> dict[str, Any] | None:
        """Set `values` ({attribute: value}) and nothing else."""
        return self._run(CHANGED, user_id, values, pk)

    def delete(self, user_id: int, pk: int) -> dict[str, Any] | None:
        """Delete the row, and what depends on it alone."""
        return self._run(DELETED, user_id, {}, pk)

    def _run(self, kind: str, user_id: int, values: dict[str, Any], pk: int | None = None) -> Any:
        sql, fields, where, histories = self._statement(kind, *values)
        params = [field.get_db_prep_save(values[field.attname], connection) for field in fields]
        params += filled(where, {"user": user_id, "pk": pk})
        params += [kind, user_id] * histories
        # Alone, the statement is its own transaction; within another (a test's), a refusal must not spoil that one.
        with transaction.atomic() if connection.in_atomic_block else nullcontext(), connection.cursor() as cursor:
            cursor.execute(sql, params)
            answer = cursor.fetchone()
        return answer and dict(zip(self.columns, answer, strict=True))

    def _build(self, kind: str, *names: str) -> tuple[str, list[Any], Sequence[Any], int]:
        """Return (SQL, the fields whose values it takes, the parameters of its WHERE, how many histories it writes)."""
        fields = [self.model._meta.get_field(name) for name in names]
        table, pk = quoted(self.model._meta.db_table), quoted(self.model._meta.pk.column)
        where: Sequence[Any] = []
        if kind == CREATED:
            change = f"INSERT INTO {table} ({listed(fields)}) VALUES ({', '.join(['%s'] * len(fields))})"
        else:
            subject, where, *_ = self._subject.compiled
            # Locked where it is looked for: only then PostgreSQL asks again whose row it is, after waiting for whoever
            # is changing it (https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED).
            subject += f" FOR {'NO KEY UPDATE' if kind == CHANGED else 'UPDATE'} OF {table}"
            assignments = ", ".join(f"{quoted(field.column)} = %s" for field in fields)
            change = f"UPDATE {table} SET {assignments}" if kind == CHANGED else f"DELETE FROM {table}"
            change += f" WHERE {pk} IN ({subject})"
        parts, histories = [], [into_history(self.model, "changed")]
        for number, relation in enumerate(self.model._meta.related_objects if kind == DELETED else ()):
            other, column = relation.related_model, quoted(relation.field.column)
            if relation.on_delete is models.CASCADE and not other._meta.related_objects:
                gone = f"gone_{number}"
                parts.append(
                    f"{gone} AS (DELETE FROM {quoted(other._meta.db_table)} WHERE {column} IN"
                    f" (SELECT {pk} FROM changed) RETURNING *)"
                )
                histories.insert(0, into_history(other, gone))
                parts.append(f"told_{number} AS ({histories[0]})")
            else:
                change += f" AND NOT EXISTS (SELECT FROM {quoted(other._meta.db_table)} WHERE {column} = {table}.{pk})"
        with_parts = ", ".join([f"changed AS ({change} RETURNING *)", *parts])
        answer = ", ".join(map(quoted, self.columns.values()))
        sql = f"WITH {with_parts} {histories[-1]} RETURNING {answer}"
        return sql, fields, where, len(histories)


def into_history(model: Any, source: str) -> str:
    """Return the statement that writes the rows of `source`, columns of `model`, into its history."""
    history = model.history.model
    columns = listed(history.tracked_fields)
    # The time after all waiting, so that versions have the order of their moments.
    return (
        f"INSERT INTO {quoted(history._meta.db_table)} ({columns}, history_date, history_type, history_user_id)"
        f" SELECT {columns}, clock_timestamp(), %s, %s FROM {source}"
    )


def listed(fields: Iterable[Any]) -> str:
    return ", ".join(quoted(field.column) for field in fields)


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
