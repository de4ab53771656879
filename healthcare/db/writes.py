"""One statement for a write and its history, on PostgreSQL: one round trip where the ORM takes up to five.

The statement is its own transaction. It calls no hook of the model, so `healthcare.db.hooks` says which models it may
write. Where it cannot decide (why was there no row to change?) the caller asks the ORM. A server that is frozen after
it received a statement may execute it later, as with any COMMIT.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

from django.db import connection, models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from healthcare.db.compiled import CompiledQuery, filled
from healthcare.db.hooks import delete_relations, write_hooks

CREATED, CHANGED, DELETED = "+", "~", "-"


class CompiledWrites:
    """Insert, update and delete rows of `model` together with their history.

    `subject()` returns the queryset of the one row to change, with the placeholders `user` and `pk`; `columns` is
    {key of the response: attribute}. Each method returns the response as a dict, or None where there was no row that
    the user may change, where rows of other models are in its way, or where nothing would change. Raises
    IntegrityError for what a constraint refuses.
    """

    def __init__(self, model: Any, columns: dict[str, str], subject: Callable[[], QuerySet]) -> None:
        self.model, self.columns = model, columns
        self.fields = {field.attname: field for field in model._meta.concrete_fields}
        self._subject = CompiledQuery(lambda: subject().order_by().values_list("pk"))
        self._statement = cache(self._build)

    def insert(self, user_id: int, values: dict[str, Any]) -> dict[str, Any]:
        """Store a new row of `user_id` with `values` ({attribute: value}); the other fields get their default."""
        fields = [field for field in self.fields.values() if not field.primary_key]
        values = {field.attname: field.get_default() for field in fields} | values | {"user_id": user_id}
        return self._run(CREATED, user_id, values)

    def update(self, user_id: int, pk: int, values: dict[str, Any]) -> dict[str, Any] | None:
        """Set `values` ({attribute: value}) and nothing else."""
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
        # Within another transaction (a test's) a refused statement must not abort that one.
        with transaction.atomic() if connection.in_atomic_block else nullcontext(), connection.cursor() as cursor:
            cursor.execute(sql, params)
            row = cursor.fetchone()
        return row and dict(zip(self.columns, row, strict=True))

    def _build(self, kind: str, *names: str) -> tuple[str, list[Any], Sequence[Any], int]:
        """Return (SQL, the fields whose values it takes, the parameters of its WHERE, how many histories it writes)."""
        fields = [self.fields[name] for name in names]
        table, pk = quoted(self.model._meta.db_table), quoted(self.model._meta.pk.column)
        where: Sequence[Any] = []
        if kind == CREATED:
            change = f"INSERT INTO {table} ({listed(fields)}) VALUES ({', '.join(['%s'] * len(fields))})"
        else:
            subject, where, *_ = self._subject.compiled
            # Locked in the subquery: only then does PostgreSQL evaluate its conditions again after it waited for a
            # concurrent change (https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED).
            subject += f" FOR {'NO KEY UPDATE' if kind == CHANGED else 'UPDATE'} OF {table}"
            assignments = ", ".join(f"{quoted(field.column)} = %s" for field in fields)
            change = f"UPDATE {table} SET {assignments}" if kind == CHANGED else f"DELETE FROM {table}"
            change += f" WHERE {pk} IN ({subject})"
            if kind == CHANGED:
                # A change that changes nothing adds no version.
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
    """Delete rows within a transaction, and record that the user did: in bulk, however many rows there are.

    A model whose rows have hooks or dependants is left to the ORM, which takes them one by one.
    """
    model: Any = queryset.model
    rows = queryset.order_by().select_for_update(of=("self",)).values("pk")
    if write_hooks(model) or delete_relations(model):
        # Locked first, or the history would record twice that a concurrent request deleted one of them.
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
    """Return the statement that writes the rows of `source`, columns of `model`, into its history."""
    history = model.history.model
    columns = listed(history.tracked_fields)
    # The time after any wait for a lock, so that versions are in the order of their timestamps.
    return (
        f"INSERT INTO {quoted(history._meta.db_table)} ({columns}, history_date, history_type, history_user_id)"
        f" SELECT {columns}, {now}, %s, %s FROM {source}"
    )


def listed(fields: Iterable[Any]) -> str:
    return ", ".join(quoted(field.column) for field in fields)


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
