"""Add patients in bulk, by the rules of the API: what its import and `manage.py import_patients` share."""

from collections.abc import Iterable
from io import BytesIO
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Max
from rest_framework.exceptions import ValidationError

from accounts.models import User
from healthcare.api.constraints import constraints, field_of
from healthcare.api.streaming import turn
from healthcare.db.history import add_first_versions
from healthcare.imports import Columns, label
from healthcare.tables import FileError, Row, csv_rows
from patients.models import Patient
from patients.serializers import PatientSerializer

# Rows of one request.
ROW_LIMIT = 10_000
BATCH = 1000


def add(patients: list[Patient], user: User) -> None:
    """Store those of `patients`, of `user`, who are not there yet, each with its first version, and set their ids.

    Needs a transaction.
    """
    # Imports of one user take turns: two that add the same patients in another order would deadlock.
    list(User.objects.select_for_update(no_key=True).filter(pk=user.pk).values("pk"))
    last = Patient.objects.aggregate(last=Max("pk"))["last"] or 0
    # The serializer has refused what breaks any other constraint: a conflict is a patient who is there already.
    Patient.objects.bulk_create(patients, ignore_conflicts=True)
    # A concurrent writer adds a patient and its version in one transaction, so those without one were added here.
    versions = Patient.history.filter(id__gt=last).values("id")
    added = Patient.objects.filter(user=user, pk__gt=last).exclude(pk__in=versions)
    names = list(PatientSerializer().fields.keys() - {*PatientSerializer.Meta.read_only_fields})
    ids = {tuple(values): pk for pk, *values in added.order_by().values_list("pk", *names)}
    if ids:
        add_first_versions(Patient.objects.filter(pk__in=ids.values()), user)
    for patient in patients:
        patient.pk = ids.pop(tuple(getattr(patient, name) for name in names), None)


class PatientImport:
    """A CSV of patients: `new` ones by their line, and the lines that are `refused`, as the API returns them.

    Raises FileError for what is no such CSV and, if `strict`, ValidationError for columns that a patient does not have.
    """

    def __init__(self, content: bytes, user: User, strict: bool = False) -> None:
        self.user = user
        self.new: dict[int, Patient] = {}
        self.refused: list[dict[str, Any]] = []
        rows = csv_rows(BytesIO(content))
        self.columns = Columns.read(rows, PatientSerializer)
        if strict:
            self.check_columns()
        while batch := list(islice(rows, BATCH)):
            if len(self.new) + len(self.refused) + len(batch) > ROW_LIMIT:
                raise FileError(f"has more than {ROW_LIMIT:,} rows: send them in several requests.")
            # Validation keeps a core busy.
            with turn():
                self.validate(batch)

    def check_columns(self) -> None:
        known = list(self.columns.serializer.fields)
        labels = set(map(label, known))
        message = f"Unknown column. Known here: {', '.join(known)}."
        unknown = {name[:100]: [message] for name in self.columns.unknown if label(name) not in labels}
        if unknown:
            raise ValidationError(unknown)

    def validate(self, rows: Iterable[Row]) -> None:
        for line, cells in rows:
            try:
                self.new[line] = Patient(user=self.user, **self.columns.validated(self.columns.cells(cells)))
            except ValidationError as error:
                self.refuse(line, error.detail)

    def refuse(self, line: int, errors: Any) -> None:
        self.refused.append({"line": line, "errors": errors})

    def store(self) -> list[int]:
        """Store the new patients in one transaction, refuse those who are there already, and return the ids."""
        patients = iter(self.new.values())
        with transaction.atomic():
            while batch := list(islice(patients, BATCH)):
                add(batch, self.user)
        for line, patient in self.new.items():
            if patient.pk is None:
                constraint = constraints()[patient.identity()[0]]
                self.refuse(line, {field_of(constraint): [constraint.violation_error_message]})
        self.refused.sort(key=lambda refusal: refusal["line"])
        return [patient.pk for patient in self.new.values() if patient.pk is not None]
