"""The rows of a spreadsheet as records, and records as rows, under the rules of the API.

What is exported can be edited and imported again: a row with an `id` changes that record, a row without adds one. If a
row breaks a rule, nothing is imported.
"""

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from import_export.resources import Resource
from import_export.results import Error, Result

from healthcare.admin.formats import Table
from healthcare.admin.imports import Import
from healthcare.api.serializers import ModelSerializer
from healthcare.imports import Columns

if TYPE_CHECKING:
    from accounts.models import User

# Unknown columns that a message names.
NAMED = 5


class RecordResource(Resource):
    """The rows of a model; a subclass gives its `serializer_class`. A row without a `user` belongs to its importer."""

    serializer_class: type[ModelSerializer]

    def __init__(self, show_emails: bool = False, skip_existing: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.show_emails, self.skip_existing = show_emails, skip_existing

    @classmethod
    def get_display_name(cls) -> str:
        return cls.__name__

    @classmethod
    def columns(cls) -> list[str]:
        return list(cls.serializer_class.Meta.fields)

    def export(self, queryset: QuerySet, **kwargs: Any) -> Table:
        owner = "user__email" if self.show_emails else "user_id"
        rows = queryset.values_list(*(owner if name == "user" else name for name in self.columns()))
        texts = [
            ["" if value is None else value if isinstance(value, int) else str(value) for value in row]
            for row in rows.iterator()
        ]
        return Table(self.columns(), texts)

    def owner(self, user: "User") -> str:
        """Return how a cell names a user: by e-mail, or by id for those who may not see accounts."""
        return user.email if self.show_emails else str(user.pk)

    def import_data(self, dataset: Table, dry_run: bool = False, user: Any = None, **kwargs: Any) -> Result:
        """Return what each row does, and do it unless `dry_run` or a row is invalid."""
        columns = Columns(dataset.header, self.serializer_class, others=["id", "created_at", "user"])
        fault = self.fault(columns, dataset)
        if fault:
            return failed(fault)
        try:
            with transaction.atomic():
                planned = Import(self, columns, dataset, user)
                if not dry_run and not planned.result.invalid_rows:
                    planned.store()
                return planned.shown()
        except IntegrityError:
            return failed("Somebody else stored one of these records at the same time.")

    def fault(self, columns: Columns, dataset: Table) -> str:
        """Return what is wrong with the columns of a file, or nothing."""
        if columns.unknown:
            names, more = columns.unknown[:NAMED], len(columns.unknown) - NAMED
            named = quoted(*(name[:50] for name in names)) + (f" and {more} more" if more > 0 else "")
            return f"No such column: {named}. The columns are {', '.join(self.columns())}."
        if columns.duplicates:
            return f"More than one column {quoted(*columns.duplicates)}."
        if columns.missing and not all(id_.strip() for id_ in columns.texts("id", dataset.rows)):
            return f"No column {quoted(*columns.missing)}, which a row without an id needs."
        return ""


def failed(reason: str) -> Result:
    result = Result()
    result.append_base_error(Error(ValueError(reason)))
    return result


def quoted(*names: str) -> str:
    return ", ".join(f"“{name}”" for name in names)
