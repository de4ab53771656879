"""Import and export of records as spreadsheet rows, with the validation of the API.

An export can be edited and imported again: a row with an `id` changes that record, a row without one adds a record. If
any row is invalid, nothing is imported.
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

# Number of unknown columns that an error message lists.
LISTED = 5


class RecordResource(Resource):
    """The rows of a model; subclasses set `serializer_class`. Without a `user`, new records belong to the importer."""

    serializer_class: type[ModelSerializer]

    def __init__(self, may_choose_user: bool = False, skip_existing: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.may_choose_user, self.skip_existing = may_choose_user, skip_existing

    @classmethod
    def get_display_name(cls) -> str:
        return cls.__name__

    @classmethod
    def columns(cls) -> list[str]:
        return list(cls.serializer_class.Meta.fields)

    def export(self, queryset: QuerySet, **kwargs: Any) -> Table:
        owner = "user__email" if self.may_choose_user else "user_id"
        rows = queryset.values_list(*(owner if name == "user" else name for name in self.columns()))
        texts = [
            ["" if value is None else value if isinstance(value, int) else str(value) for value in row]
            for row in rows.iterator()
        ]
        return Table(self.columns(), texts)

    def owner(self, user: "User") -> str:
        """Return the e-mail of a user, or the id if the importing user may not view accounts."""
        return user.email if self.may_choose_user else str(user.pk)

    def import_data(self, dataset: Table, dry_run: bool = False, user: Any = None, **kwargs: Any) -> Result:
        """Return the result of each row, and store the rows unless `dry_run` is set or a row is invalid."""
        columns = Columns(dataset.header, self.serializer_class, others=["id", "created_at", "user"])
        error = self.header_error(columns, dataset)
        if error:
            return failed(error)
        try:
            with transaction.atomic():
                planned = Import(self, columns, dataset, user)
                if not dry_run and not planned.result.invalid_rows:
                    planned.store()
                return planned.shown()
        except IntegrityError:
            return failed("Someone else saved one of these records at the same time. Try again.")

    def header_error(self, columns: Columns, dataset: Table) -> str:
        """Return the error in the columns of a file, or ""."""
        if columns.unknown:
            names, more = columns.unknown[:LISTED], len(columns.unknown) - LISTED
            listed = quoted(*(name[:50] for name in names)) + (f" and {more} more" if more > 0 else "")
            return f"Unknown column: {listed}. The columns are {', '.join(self.columns())}."
        if columns.duplicates:
            return f"Duplicate column: {quoted(*columns.duplicates)}."
        if columns.missing and not all(id_.strip() for id_ in columns.texts("id", dataset.rows)):
            return f"Missing column: {quoted(*columns.missing)}. Rows without an id require it."
        return ""


def failed(reason: str) -> Result:
    result = Result()
    result.append_base_error(Error(ValueError(reason)))
    return result


def quoted(*names: str) -> str:
    return ", ".join(f"“{name}”" for name in names)
