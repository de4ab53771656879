"""Compare the rows of an imported file with each other and with stored records, and save them."""

import re
from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core import exceptions
from django.core.exceptions import NON_FIELD_ERRORS
from django.db.models import Q
from django.utils.html import format_html
from import_export.results import InvalidRow, Result, RowResult
from rest_framework.exceptions import ValidationError
from rest_framework.settings import api_settings

from healthcare.admin.formats import Table
from healthcare.db.functions import fold
from healthcare.fields import ID
from healthcare.imports import Columns

if TYPE_CHECKING:
    from accounts.models import User
    from healthcare.admin.resources import RecordResource

FOREIGN_ID = (
    "Skipped: this id belongs to another {}, with another name, and neither the phone nor the e-mail is the same. "
    "Remove the id to add a new record."
)
OWNER_FIXED = "Your account may not choose the user. Leave this cell empty."


class Import:
    """The planned changes for each row. Requires a transaction, in which the records to change stay locked.

    Reads all referenced records and users in a fixed number of queries.
    """

    def __init__(self, resource: "RecordResource", columns: Columns, dataset: Table, user: "User") -> None:
        self.resource, self.columns, self.user = resource, columns, user
        self.model: Any = resource.serializer_class.Meta.model
        self.result = Result()
        self.result.diff_headers = ["id", *columns.fields, "user"]
        self.records = self.stored(columns.texts("id", dataset.rows))
        self.owners = users(columns.texts("user", dataset.rows)) if resource.may_choose_user else {}
        rows = [self.read(line, cells) for line, cells in dataset.rows]
        self.check([row for row in rows if not row.validation_error])
        self.result.rows = rows
        for row in rows:
            self.result.increment_row_result_total(row)
        self.result.notes = sum(bool(row.note) for row in rows)

    def stored(self, ids: Iterable[str]) -> dict[int, Any]:
        wanted = {int(text) for text in map(str.strip, ids) if re.fullmatch(ID, text)}
        records = self.model.objects.select_for_update(of=("self",)).select_related("user").filter(pk__in=wanted)
        return {record.pk: record for record in records.order_by("pk")}

    def read(self, line: int, cells: list[str]) -> RowResult:
        """Return a row with the record to store as `instance` and the stored record as `original`."""
        row = RowResult()
        row.number, row.note, row.row_values = line, "", {}
        try:
            row.row_values = self.columns.cells(cells)
            row.original = self.record(row.row_values.get("id", "").strip())
            values = self.columns.validated(row.row_values, partial=row.original is not None)
            owner = self.owner(row.row_values.get("user", "").strip(), row.original)
        except ValidationError as error:
            self.refuse(row, error)
        else:
            row.instance = copy(row.original) if row.original else self.model()
            for name, value in values.items():
                setattr(row.instance, name, value)
            if owner or not row.original:
                row.instance.user = owner or self.user
        return row

    def record(self, id_: str) -> Any:
        if not id_:
            return None
        if not re.fullmatch(ID, id_):
            raise ValidationError({"id": ["Must be a whole number."]})
        if int(id_) not in self.records:
            raise ValidationError({"id": [f"There is no {self.model._meta.verbose_name} with this id."]})
        return self.records[int(id_)]

    def owner(self, name: str, original: Any) -> "User | None":
        """Return the user that a row names, None for the unchanged owner; raise ValidationError."""
        if name and not self.resource.may_choose_user:
            # Do not look other users up: the message must not reveal whether an account exists.
            owner = original.user if original else self.user
            if name != str(owner.pk) and not (owner == self.user and fold(name) == fold(owner.email)):
                raise ValidationError({"user": [OWNER_FIXED]})
            return None
        if name and fold(name) not in self.owners:
            raise ValidationError({"user": ["There is no such user."]})
        return self.owners[fold(name)] if name else None

    def check(self, rows: list[RowResult]) -> None:
        """Decide for each row, in order, whether it is new, changed, skipped or invalid, given the rows before it."""
        taken = {record.identity(): record.pk for record in self.model.objects.like([row.instance for row in rows])}
        for row in rows:
            if row.original:
                self.follow(row)
            identity = row.instance.identity()
            if row.original and not self.differing(row):
                row.import_type = RowResult.IMPORT_TYPE_SKIP
            elif row.original and is_another(row):
                row.import_type, row.instance, row.original = RowResult.IMPORT_TYPE_SKIP, row.original, None
                row.note = FOREIGN_ID.format(self.model._meta.verbose_name)
            elif identity in taken and (not row.original or taken[identity] != row.original.pk):
                self.refuse_or_skip(row, identity[0])
            else:
                if row.original:
                    taken.pop(row.original.identity(), None)
                    self.records[row.instance.pk] = row.instance
                row.import_type = RowResult.IMPORT_TYPE_UPDATE if row.original else RowResult.IMPORT_TYPE_NEW
                taken[identity] = row.instance.pk

    def follow(self, row: RowResult) -> None:
        """Compare a row with the record as changed by earlier rows, which may have set another user."""
        row.original = self.records[row.original.pk]
        if not row.row_values.get("user", "").strip():
            row.instance.user = row.original.user

    def differing(self, row: RowResult) -> list[str]:
        names = [*self.columns.fields, "user_id"]
        return [name for name in names if getattr(row.instance, name) != getattr(row.original, name)]

    def refuse_or_skip(self, row: RowResult, constraint: str) -> None:
        if self.resource.skip_existing and not row.original:
            row.import_type, row.note = RowResult.IMPORT_TYPE_SKIP, "Already exists."
            return
        messages = {item.name: item.violation_error_message for item in self.model._meta.constraints}
        self.refuse(row, ValidationError({"__all__": [messages[constraint]]}))

    def refuse(self, row: RowResult, error: ValidationError) -> None:
        row.import_type, row.validation_error, row.instance = RowResult.IMPORT_TYPE_INVALID, error, None
        detail: Any = error.detail
        messages = {
            NON_FIELD_ERRORS if name in (api_settings.NON_FIELD_ERRORS_KEY, "row") else name: list(map(str, reasons))
            for name, reasons in detail.items()
        }
        values = [row.row_values.get(name, "") for name in self.result.diff_headers]
        self.result.invalid_rows.append(InvalidRow(row.number, exceptions.ValidationError(messages), values))

    def store(self) -> None:
        new = [row.instance for row in self.result.rows if row.is_new()]
        changed = [row for row in self.result.rows if row.is_update()]
        self.model.objects.bulk_create(new)
        for row in changed:
            row.instance.skip_history_when_saving = True
            row.instance.save(force_update=True, update_fields=self.differing(row))
        history = self.model.history
        history.bulk_history_create(new, default_user=self.user, default_change_reason=None)
        history.bulk_history_create(
            [row.instance for row in changed], update=True, default_user=self.user, default_change_reason=None
        )

    def shown(self) -> Result:
        """Return the result with the differences that a preview shows."""
        for row in self.result.rows:
            if row.instance:
                row.add_instance_info(row.instance)
                before, after = self.values(row.original or row.instance), self.values(row.instance)
                row.diff = [
                    new if old == new else format_html("<del>{}</del> <ins>{}</ins>", old, new)
                    for old, new in zip(before, after, strict=True)
                ]
        return self.result

    def values(self, record: Any) -> list[str]:
        values = (
            self.resource.owner(record.user) if name == "user" else getattr(record, name)
            for name in self.result.diff_headers
        )
        return ["" if value is None else str(value) for value in values]


def is_another(row: RowResult) -> bool:
    """Return whether an id probably comes from another system: another name, and no contact that is the same."""
    record, stored = row.instance, row.original
    contacts = [name for name in ("phone", "email") if row.row_values.get(name, "").strip()]
    same = any(getattr(record, name) == getattr(stored, name) for name in contacts)
    return fold(record.name) != fold(stored.name) and not same


def users(names: Iterable[str]) -> dict[str, "User"]:
    """Return {e-mail in lower case or id: user} for e-mails and ids in `names`."""
    wanted = {fold(name.strip()) for name in names} - {""}
    ids = {name for name in wanted if re.fullmatch(ID, name)}
    found = get_user_model().objects.filter(Q(pk__in=ids) | Q(email__fold__in=wanted - ids)) if wanted else []
    return {key: user for user in found for key in (fold(user.email), str(user.pk)) if key in wanted}
