"""History models: https://django-simple-history.readthedocs.io/en/latest/historical_model.html."""

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db.models import BigAutoField, Model
from simple_history import models


class HistoricalRecords(models.HistoricalRecords):
    """The versions of a model: 64-bit ids, names for people, and an index of their dates.

    Versions are appended, so a BRIN index of a few kilobytes covers them (a b-tree on SQLite).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(history_id_field=BigAutoField(), **kwargs)

    def post_save(self, instance: Model, created: bool, using: str | None = None, **kwargs: Any) -> None:
        """Write a version, unless none of the fields that were saved is in it."""
        saved = kwargs.get("update_fields")
        if created or saved is None or not set(saved) <= set(self.excluded_fields):
            super().post_save(instance, created, using, **kwargs)

    def get_meta_options(self, model: type[Model]) -> dict[str, Any]:
        name = model._meta.verbose_name
        return {
            **super().get_meta_options(model),
            "verbose_name": f"{name} version",
            "verbose_name_plural": f"{name} history",
            "indexes": [BrinIndex(fields=["history_date"], name=f"{model._meta.model_name}_history_by_date")],
        }
