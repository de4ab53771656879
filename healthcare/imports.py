"""Map and validate the rows of an imported file by the rules of the API; shared by all imports."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Self

from django.core import exceptions
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, IntegerField, TextField
from rest_framework.exceptions import ValidationError
from rest_framework.fields import SkipField, empty, get_error_detail

from healthcare.api.serializers import ModelSerializer
from healthcare.db.hooks import overridden
from healthcare.fields import PhoneField, phone_of_cell
from healthcare.tables import FileError, Row

# Error values of spreadsheets.
CELL_ERRORS = frozenset(["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"])
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?")
WHOLE_NUMBER = re.compile(r"(-?[0-9]{1,18})[.,]0+")


class Columns:
    """The columns of a file, matched to the names or labels of `serializer`'s fields and `others`, ignoring case."""

    def __init__(self, header: Iterable[str], serializer: type[ModelSerializer], others: Iterable[str] = ()) -> None:
        self.serializer, self.partial = serializer(), serializer(partial=True)
        writable = {name: field for name, field in self.serializer.fields.items() if not field.read_only}
        self.fields = {name: model_field(serializer, name) for name in writable}
        labels: dict[str, str] = {}
        for name in [*writable, *others]:
            field = self.fields.get(name) or model_field(serializer, name)
            labels |= {label(name): name, label(field.verbose_name if field else name): name}
        self.only_fields = not hooks(serializer)
        # The field name of each column, None if unknown.
        self.names = [labels.get(label(cell)) for cell in header]
        known = [name for name in self.names if name]
        self.unknown = [cell.strip() for cell, name in zip(header, self.names, strict=True) if not name]
        self.duplicates = sorted({name for name in known if known.count(name) > 1})
        self.missing = [name for name, field in writable.items() if field.required and name not in known]

    @classmethod
    def read(cls, rows: Iterator[Row], serializer: type[ModelSerializer]) -> Self:
        """Return the columns named by the first of `rows`; raise FileError for missing or duplicate columns."""
        _, header = next(rows, (1, []))
        if not header:
            raise FileError("is empty.")
        columns = cls(header, serializer)
        if columns.missing:
            raise FileError(
                f"has no column {', '.join(columns.missing)}. The first line must contain the column names."
            )
        if columns.duplicates:
            raise FileError(f"has a duplicate column: {', '.join(columns.duplicates)}.")
        return columns

    def texts(self, name: str, rows: Iterable[Row]) -> list[str]:
        """Return the texts of one column; blank ones if there is no such column."""
        position = self.names.index(name) if name in self.names else None
        return ["" if position is None else cells[position] for _, cells in rows]

    def cells(self, cells: list[str]) -> dict[str, str]:
        """Return {name: text} of a row; raise ValidationError if it has more cells than the file has columns."""
        if len(cells) > len(self.names):
            raise ValidationError({"row": [f"{len(cells)} cells, but {len(self.names)} columns."]})
        return {name: cell for name, cell in zip(self.names, cells, strict=True) if name}

    def validated(self, row: dict[str, str], partial: bool = False) -> dict[str, Any]:
        """Return the row as the API would store it; raise ValidationError, as the API does, naming every field."""
        values, errors = {}, {}
        for name, field in self.fields.items():
            if name in row:
                try:
                    values[name] = value_of_cell(row[name], field)
                except ValueError as error:
                    errors[name] = [str(error)]
        serializer = self.partial if partial else self.serializer
        try:
            valid = validated_fields(serializer, values) if self.only_fields else serializer.run_validation(values)
        except ValidationError as error:
            detail: Any = error.detail
            errors = {**detail, **errors}
        if errors:
            raise ValidationError(errors)
        return valid


def hooks(serializer: type[ModelSerializer]) -> list[str]:
    """Return the names of what a serializer defines beyond the validation of single fields."""
    names = ["run_validation", "to_internal_value", "validate", "run_validators", "get_validators", "validators"]
    known = dir(ModelSerializer)
    own = [name for name in dir(serializer) if name.startswith("validate_") and name not in known]
    validators = ["Meta.validators"] if getattr(serializer.Meta, "validators", None) else []
    return overridden(serializer, ModelSerializer, names) + own + validators


def validated_fields(serializer: ModelSerializer, values: dict[str, Any]) -> dict[str, Any]:
    """Do the same as `run_validation` for a serializer without `hooks`, in half the time; raise ValidationError."""
    valid: dict[str, Any] = {}
    errors = {}
    for name, field in serializer.fields.items():
        if not field.read_only:
            try:
                valid[str(field.source)] = field.run_validation(values.get(name, empty))
            except SkipField:
                pass
            except ValidationError as error:
                errors[name] = error.detail
            except exceptions.ValidationError as error:
                errors[name] = get_error_detail(error)
    if errors:
        raise ValidationError(errors)
    return valid


def label(text: str) -> str:
    """Return a column name normalized for comparison: `E-mail` and ` EMAIL ` become `email`."""
    return re.sub(r"[\W_]", "", text).lower()


def model_field(serializer: type[ModelSerializer], name: str) -> Any:
    model: Any = serializer.Meta.model
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def value_of_cell(text: str, field: Field) -> str | None:
    """Return a cell's text without a spreadsheet's changes; raise ValueError if the original value is lost."""
    if isinstance(field, TextField):
        # White space is significant in multi-line text.
        return text
    text = text.strip()
    if text in CELL_ERRORS:
        raise ValueError(f"The spreadsheet could not calculate this cell: {text}.")
    if DATE.fullmatch(text):
        raise ValueError(f"This is a date ({text}). Format the column as text and enter the value again.")
    if isinstance(field, PhoneField):
        return phone_of_cell(text)
    if isinstance(field, IntegerField):
        number = WHOLE_NUMBER.fullmatch(text)
        text = number[1] if number else text
        return text or (None if field.null else "")
    return text
