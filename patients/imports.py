"""Bulk import of patients, shared by the API and `manage.py import_patients`."""

from collections.abc import Iterable
from io import BytesIO
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Max
from rest_framework.exceptions import ValidationError

from accounts.models import User
from healthcare.api.constraints import constraints, field_of
from healthcare.db.history import add_first_versions
from healthcare.imports import Columns, label
from healthcare.tables import FileError, Row, csv_rows
from patients.models import Patient
from patients.serializers import PatientSerializer

# Maximum rows per request.
ROW_LIMIT = 10_000
BATCH = 1000


def add_missing(patients: list[Patient], user: User) -> None:
    """Store those `patients` of `user` that do not exist, each with its first version, and set their ids.

    Requires a transaction.
    """
    # Lock the user, because concurrent imports of the same patients in different orders would deadlock.
    list(User.objects.select_for_update(no_key=True).filter(pk=user.pk).values("pk"))
    last = Patient.objects.aggregate(last=Max("pk"))["last"] or 0
    # The serializer checks all other constraints, so a conflict is an existing patient.
    Patient.objects.bulk_create(patients, ignore_conflicts=True)
    # Concurrent requests store a patient and its version in one transaction, so patients without one were added here.
    versions = Patient.history.filter(id__gt=last).values("id")
    added = Patient.objects.filter(user=user, pk__gt=last).exclude(pk__in=versions)
    names = list(PatientSerializer().fields.keys() - {*PatientSerializer.Meta.read_only_fields})
    ids = {tuple(values): pk for pk, *values in added.order_by().values_list("pk", *names)}
    if ids:
        add_first_versions(Patient.objects.filter(pk__in=ids.values()), user)
    for patient in patients:
        patient.pk = ids.pop(tuple(getattr(patient, name) for name in names), None)


class PatientImport:
    """The rows of a CSV: `new` patients by line, and `refused` lines as the API returns them.

    Raises FileError for an invalid file and, if `strict`, ValidationError for unknown columns.
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
            self.validate(batch)

    def check_columns(self) -> None:
        known = list(self.columns.serializer.fields)
        labels = set(map(label, known))
        message = f"Unknown column. Allowed: {', '.join(known)}."
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
        """Store the new patients in one transaction, refuse those that already exist, and return the new ids."""
        patients = iter(self.new.values())
        with transaction.atomic():
            while batch := list(islice(patients, BATCH)):
                add_missing(batch, self.user)
        for line, patient in self.new.items():
            if patient.pk is None:
                constraint = constraints()[patient.identity()[0]]
                self.refuse(line, {field_of(constraint): [constraint.violation_error_message]})
        self.refused.sort(key=lambda refusal: refusal["line"])
        return [patient.pk for patient in self.new.values() if patient.pk is not None]
