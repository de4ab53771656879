"""Write a row and its history in one PostgreSQL statement: one round trip instead of up to five by the ORM.

The statement is its own transaction. It runs no hooks, so `healthcare.db.hooks` decides which models may use it. If it
changes no row, the caller uses the ORM to find out why. If the server freezes after receiving the statement, it may
execute it later, as with any COMMIT.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

from django.db import connection, models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from healthcare.db.compiled import CompiledQuery, filled
from healthcare.db.hooks import delete_relations, overridden, write_hooks

CREATED, CHANGED, DELETED = "+", "~", "-"


class CompiledWrites:
    """Insert, update and delete rows of `model` together with their history.

    `subject()` returns the queryset of the row to change, with the placeholders `user` and `pk`; `columns` is
    {key of the response: attribute}. Each method returns the response as a dict, or None if there is no row that the
    user may change, if protected rows refer to it, or if no value changes. Raises IntegrityError if a constraint is
    violated.
    """

    def __init__(self, model: Any, columns: dict[str, str], subject: Callable[[], QuerySet]) -> None:
        self.model, self.columns = model, columns
        self.fields = {field.attname: field for field in model._meta.concrete_fields}
        self._subject = CompiledQuery(lambda: subject().order_by().values_list("pk"))
        self._statement = cache(self._build)

    def insert(self, user_id: int, values: dict[str, Any]) -> dict[str, Any]:
        """Insert a row of `user_id` with `values` ({attribute: value}) and defaults for the other fields."""
        fields = [field for field in self.fields.values() if not field.primary_key]
        values = {field.attname: field.get_default() for field in fields} | values | {"user_id": user_id}
        return self._run(CREATED, user_id, values)

    def update(self, user_id: int, pk: int, values: dict[str, Any]) -> dict[str, Any] | None:
        """Set `values` ({attribute: value})."""
        return self._run(CHANGED, user_id, values, pk)

    def delete(self, user_id: int, pk: int) -> dict[str, Any] | None:
        """Delete the row and the rows that cascade from it."""
        return self._run(DELETED, user_id, {}, pk)

    def _run(self, kind: str, user_id: int, values: dict[str, Any], pk: int | None = None) -> Any:
        sql, fields, where, histories = self._statement(kind, *values)
        stored = [field.get_db_prep_save(values[field.attname], connection) for field in fields]
        params = [*stored, *filled(where, {"user": user_id, "pk": pk})]
        params += stored if kind == CHANGED else []
        params += [kind, user_id] * histories
        # Within an outer transaction (in tests), a failed statement must not abort it.
        with transaction.atomic() if connection.in_atomic_block else nullcontext(), connection.cursor() as cursor:
            cursor.execute(sql, params)
            row = cursor.fetchone()
        return row and dict(zip(self.columns, row, strict=True))

    def _build(self, kind: str, *names: str) -> tuple[str, list[Any], Sequence[Any], int]:
        """Return (SQL, fields whose values are parameters, parameters of WHERE, number of histories written)."""
        fields = [self.fields[name] for name in names]
        table, pk = quoted(self.model._meta.db_table), quoted(self.model._meta.pk.column)
        where: Sequence[Any] = []
        if kind == CREATED:
            change = f"INSERT INTO {table} ({listed(fields)}) VALUES ({', '.join(['%s'] * len(fields))})"
        else:
            subject, where, *_ = self._subject.compiled
            # Only with a lock in the subquery does PostgreSQL re-evaluate its conditions after waiting for a concurrent
            # change (https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED).
            subject += f" FOR {'NO KEY UPDATE' if kind == CHANGED else 'UPDATE'} OF {table}"
            assignments = ", ".join(f"{quoted(field.column)} = %s" for field in fields)
            change = f"UPDATE {table} SET {assignments}" if kind == CHANGED else f"DELETE FROM {table}"
            change += f" WHERE {pk} IN ({subject})"
            if kind == CHANGED:
                # If no value changes, add no version.
                change += f" AND ({listed(fields)}) IS DISTINCT FROM ({', '.join(['%s'] * len(fields))})"
        parts, histories = [], [into_history(self.model, "changed")]
        for number, relation in enumerate(delete_relations(self.model) if kind == DELETED else ()):
            other, column = relation.related_model, quoted(relation.field.column)
            target = quoted(relation.field.target_field.column)
            cascades = relation.on_delete is models.CASCADE
            if cascades and not delete_relations(other) and not write_hooks(other):
                deleted = f"deleted_{number}"
                parts.append(
                    f"{deleted} AS (DELETE FROM {quoted(other._meta.db_table)} WHERE {column} IN"
                    f" (SELECT {target} FROM changed) RETURNING *)"
                )
                histories.insert(0, into_history(other, deleted))
                parts.append(f"history_{number} AS ({histories[0]})")
            else:
                other_table = quoted(other._meta.db_table)
                change += f" AND NOT EXISTS (SELECT FROM {other_table} WHERE {column} = {table}.{target})"
        with_parts = ", ".join([f"changed AS ({change} RETURNING *)", *parts])
        answer = ", ".join(map(quoted, (self.fields[name].column for name in self.columns.values())))
        sql = f"WITH {with_parts} {histories[-1]} RETURNING {answer}"
        return sql, fields, where, len(histories)


def delete_with_history(queryset: QuerySet, user_id: int) -> None:
    """Delete rows within a transaction and write their history for the user, in a fixed number of statements.

    If the model has delete hooks or dependent rows, the ORM deletes the rows one by one.
    """
    model: Any = queryset.model
    rows = queryset.order_by().select_for_update(of=("self",)).values("pk")
    if write_hooks(model) or delete_relations(model) or overridden(type(queryset), QuerySet, ["delete"]):
        # Lock first; otherwise a row that a concurrent request deletes would get two deletions in its history.
        queryset.filter(pk__in=list(rows.values_list("pk", flat=True))).delete()
        return
    subquery, where = rows.query.get_compiler(connection=connection).as_sql()
    delete = f"DELETE FROM {quoted(model._meta.db_table)} WHERE {quoted(model._meta.pk.column)} IN ({subquery})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sql = f"WITH deleted AS ({delete} RETURNING *) {into_history(model, 'deleted')}"
            cursor.execute(sql, [*where, DELETED, user_id])
        else:
            source = f"{quoted(model._meta.db_table)} WHERE {quoted(model._meta.pk.column)} IN ({subquery})"
            now = connection.ops.adapt_datetimefield_value(timezone.now())
            cursor.execute(into_history(model, source, "%s"), [now, DELETED, user_id, *where])
            cursor.execute(delete, where)


def into_history(model: Any, source: str, now: str = "clock_timestamp()") -> str:
    """Return the statement that inserts the rows of `source`, which has the columns of `model`, into its history."""
    history = model.history.model
    columns = listed(history.tracked_fields)
    # clock_timestamp() is the time after any wait for a lock, so that timestamps follow the order of versions.
    return (
        f"INSERT INTO {quoted(history._meta.db_table)} ({columns}, history_date, history_type, history_user_id)"
        f" SELECT {columns}, {now}, %s, %s FROM {source}"
    )


def listed(fields: Iterable[Any]) -> str:
    return ", ".join(quoted(field.column) for field in fields)


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
