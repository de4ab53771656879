"""The rows of a spreadsheet as records, and records as rows: django-import-export under the rules of the models.

What is exported can be edited and imported again: a row with an `id` changes that record, a row without adds one. One
row that breaks a rule, and nothing is imported.
"""

import re
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Field as ModelField
from django.db.models import IntegerField, Model, QuerySet, TextField
from import_export.fields import Field
from import_export.formats.base_formats import CSV, XLSX
from import_export.resources import ModelResource
from import_export.widgets import Widget
from tablib import Dataset

from healthcare.tables import FileError, Row, csv_rows, escaped, xlsx_rows

if TYPE_CHECKING:
    from accounts.models import User

# Rows: an import is one transaction. `manage.py import_patients` has no such limit.
IMPORT_LIMIT = 1000


def dataset(rows: Iterable[Row]) -> Dataset:
    """Return the rows under the names of their columns, with their numbers as `lines`; raise FileError."""
    table = Dataset()
    table.lines = []
    for line, cells in rows:
        if table.headers is None:
            table.headers = cells
            continue
        if len(cells) != table.width:
            raise FileError(f"has {len(cells)} cells in line {line}, but {table.width} columns.")
        if len(table) == IMPORT_LIMIT:
            raise FileError(f"has more than {IMPORT_LIMIT} rows: no more are imported at once.")
        table.append(cells)
        table.lines.append(line)
    if table.headers is None:
        raise FileError("is empty.")
    return table


class CSVFormat(CSV):
    def create_dataset(self, content: bytes) -> Dataset:
        return dataset(csv_rows(BytesIO(content)))


class XLSXFormat(XLSX):
    def create_dataset(self, content: bytes) -> Dataset:
        return dataset(xlsx_rows(content))


class Cell(Widget):
    """A cell that holds the value of a model's field."""

    def __init__(self, field: ModelField) -> None:
        super().__init__()
        self.field = field

    def clean(self, value: str, row: dict | None = None, **kwargs: Any) -> Any:
        """Return the field's value; raise ValueError, which is told with the field's name."""
        text = value if isinstance(self.field, TextField) else value.strip()
        if isinstance(self.field, IntegerField):
            if text and not re.fullmatch("-?[0-9]{1,18}", text):
                raise ValueError("A valid integer is required.")
            return int(text) if text else None
        return self.field.to_python(text)

    def render(self, value: object, obj: Model | None = None, **kwargs: Any) -> int | str:
        return value if isinstance(value, int) else "" if value is None else str(value)


class Owner(Widget):
    """A cell that names a user: by e-mail, in any case, or by id."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, User] = {}

    def clean(self, value: str, row: dict | None = None, **kwargs: Any) -> "User":
        name = value.strip()
        if name not in self.known:
            users = get_user_model().objects
            try:
                self.known[name] = (
                    users.get(pk=name) if re.fullmatch("[0-9]{1,18}", name) else users.get_by_natural_key(name)
                )
            except users.model.DoesNotExist:
                raise ValueError("There is no such user.") from None
        return self.known[name]

    def render(self, value: "User | None", obj: Model | None = None, **kwargs: Any) -> str:
        return value.email if value else ""


class RecordResource(ModelResource):
    """The rows of a model; `Meta` gives `model` and `fields`. Rows without a `user` become those of who imports."""

    class Meta:
        clean_model_instances = True
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    @classmethod
    def field_from_django_field(cls, name: str, field: ModelField, readonly: bool) -> Field:
        widget = Owner() if field.is_relation else Cell(field)
        return Field(attribute=name, column_name=name, widget=widget, readonly=not field.editable)

    def get_queryset(self) -> QuerySet:
        """Return the records locked, so that none is changed between its check and its saving."""
        return super().get_queryset().select_for_update()

    def get_import_fields(self) -> list[Field]:
        return [field for field in super().get_import_fields() if not field.readonly]

    def export_field(self, field: Field, instance: Model, **kwargs: Any) -> int | str:
        value = super().export_field(field, instance, **kwargs)
        return escaped(value) if isinstance(value, str) else value

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """Refuse a file as a whole: columns that nobody knows, are there twice, or that a new record cannot lack."""
        columns = dataset.headers = [header.strip().lower() for header in dataset.headers]
        unknown = sorted({f"“{column}”" for column in columns if column not in self.fields})
        twice = sorted({f"“{column}”" for column in columns if columns.count(column) > 1})
        missing = [f"“{column}”" for column in self.required() if column not in columns]
        some_are_new = "id" not in columns or not all(cell.strip() for cell in dataset["id"])
        if unknown or twice or (missing and some_are_new):
            dataset.wipe()
        if unknown:
            raise ValueError(f"No such column: {', '.join(unknown)}. The columns are {', '.join(self.fields)}.")
        if twice:
            raise ValueError(f"More than one column {', '.join(twice)}.")
        if missing and some_are_new:
            raise ValueError(f"No column {', '.join(missing)}, which a row without an id needs.")

    def required(self) -> list[str]:
        """Return the columns that a new record cannot do without."""
        fields = [self._meta.model._meta.get_field(name) for name in self.fields if name != "user"]
        return [field.name for field in fields if not field.blank and not field.has_default()]

    def after_import(self, dataset: Any, result: Any, **kwargs: Any) -> None:
        """Number the rows as the file does, blank ones and the names of the columns included."""
        super().after_import(dataset, result, **kwargs)
        for row in result.invalid_rows:
            row.number = dataset.lines[row.number - 1]
        for row, line in zip(result.rows, dataset.lines, strict=False):
            row.number = line

    def before_import_row(self, row: dict, **kwargs: Any) -> None:
        if not row.get("user", "").strip():
            row.pop("user", None)

    def get_instance(self, instance_loader: Any, row: dict) -> Model | None:
        try:
            return super().get_instance(instance_loader, row)
        except ValueError as error:
            raise ValidationError({"id": str(error)}) from None

    def init_instance(self, row: dict | None = None) -> Model:
        if row and row.get("id", "").strip():
            raise ValidationError({"id": f"There is no {self._meta.model._meta.verbose_name} with this id."})
        return super().init_instance(row)

    def after_init_instance(
        self, instance: Any, new: bool, row: dict, user: "User | None" = None, **kwargs: Any
    ) -> None:
        if new:
            instance.user = user

    def after_import_row(self, row: dict, row_result: Any, **kwargs: Any) -> None:
        """Show no id of what is new: the one it has in the preview goes with the preview."""
        if row_result.is_new():
            row_result.diff[0] = ""
