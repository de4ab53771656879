"""History models: https://django-simple-history.readthedocs.io/en/latest/historical_model.html."""

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import connection
from django.db.models import BigAutoField, CharField, DateTimeField, Model, QuerySet, Value
from django.utils import timezone
from simple_history import models


class HistoricalRecords(models.HistoricalRecords):
    """django-simple-history's, with 64-bit ids, readable names, and an index on the date.

    Versions are appended in order of their date, so a BRIN index of a few kilobytes is enough (a b-tree on SQLite).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(history_id_field=BigAutoField(), **kwargs)

    def get_meta_options(self, model: type[Model]) -> dict[str, Any]:
        name = model._meta.verbose_name
        return {
            **super().get_meta_options(model),
            "verbose_name": f"{name} version",
            "verbose_name_plural": f"{name} versions",
            "indexes": [BrinIndex(fields=["history_date"], name=f"{model._meta.model_name}_history_by_date")],
        }


def add_first_versions(records: QuerySet, user: Model) -> int:
    """Insert the first version of each of `records`, by `user`, in one statement; return their number."""
    history: Any = records.model.history.model
    columns = [field.column for field in history.tracked_fields]
    own = {
        "history_date": Value(timezone.now(), DateTimeField()),
        "history_type": Value("+", CharField()),
        "history_user_id": Value(user.pk, BigAutoField()),
    }
    selected = (
        records.order_by().annotate(**own).values_list(*(field.attname for field in history.tracked_fields), *own)
    )
    sql, params = selected.query.sql_with_params()
    names = ", ".join(connection.ops.quote_name(column) for column in [*columns, *own])
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {connection.ops.quote_name(history._meta.db_table)} ({names}) {sql}", params)
        return cursor.rowcount
