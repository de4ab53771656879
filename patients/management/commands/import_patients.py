import csv
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import reset_queries, transaction
from rest_framework.exceptions import ValidationError
from tqdm import tqdm

from accounts.models import User
from healthcare.api.errors import DATABASE_UNAVAILABLE
from healthcare.db.functions import fold
from healthcare.imports import Columns
from healthcare.tables import FileError, Row, csv_rows
from patients.imports import BATCH, add_missing
from patients.models import Patient
from patients.serializers import PatientSerializer

T = TypeVar("T")
# Called with line, field and reason.
Report = Callable[[int, str, str], object]
# Line and {field: value}.
ValidRow = tuple[int, dict[str, Any]]
# The arguments of Report.
Fault = tuple[int, str, str]


class Command(BaseCommand):
    help = (
        "Import patients of a user from a CSV file, validated as in the API. The first line has the column names, "
        "in any order and case: name, age, gender and, optionally, phone, address and email; others are ignored. The "
        "file is UTF-8 or UTF-16, delimited by commas, semicolons or tabs. Invalid rows are reported with line, field "
        "and reason, and the exit status is 1; all other rows are stored. Existing patients are not changed, so an "
        "interrupted import can be run again; if the file has other values for them, the line and fields are reported."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file")
        parser.add_argument("--user", required=True, metavar="EMAIL", help="the owner of the patients")
        parser.add_argument(
            "--report", type=Path, metavar="FILE", help="write the report to a new CSV file instead of standard error"
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help=f"only report (duplicates in the file more than {BATCH} rows apart are counted twice)",
        )

    def handle(
        self, *, file: Path, user: str, report: Path | None, dry_run: bool, verbosity: int, **options: Any
    ) -> None:
        owner = self.owner(user)
        counts, different = {"added": 0, "already there": 0, "refused": 0}, 0
        try:
            source = PatientFile(file)
            if source.columns.unknown:
                self.stderr.write(f"Columns left out: {', '.join(source.columns.unknown)}.", self.style.WARNING)
            # Read the whole file first, so that an invalid file is refused before any row is stored.
            total = sum(1 for _ in source.rows())
            with ExitStack() as stack:
                note = stack.enter_context(report_to(report)) if report else self.report
                progress = stack.enter_context(tqdm(total=total, unit=" rows", disable=None if verbosity else True))
                for size, valid, faults in stack.enter_context(closing(ahead(source.batches()))):
                    for fault in faults:
                        note(*fault)
                    patients = [Patient(user=owner, **fields) for _, fields in valid]
                    with transaction.atomic():
                        add_missing(patients, owner)
                        added = sum(patient.pk is not None for patient in patients)
                        others = differing(valid, owner) if added < len(valid) else []
                        transaction.set_rollback(dry_run)
                    for line, names in others:
                        note(line, names, "Already there with another value, which stays.")
                    different += len(others)
                    counts["added"] += added
                    counts["already there"] += len(valid) - added
                    counts["refused"] += size - len(valid)
                    # With DEBUG on, Django keeps every query in memory.
                    reset_queries()
                    progress.update(size)
        except OSError as error:
            raise CommandError(f"{error.strerror}: {error.filename}.") from error
        except DATABASE_UNAVAILABLE as error:
            raise CommandError(f"The database failed: {error}. Run the command again to add the rest.") from error

        summary = ", ".join(f"{count} {what}" for what, count in counts.items())
        self.stdout.write(f"{'Dry run, nothing stored: ' if dry_run else ''}{summary}.")
        if different:
            self.stderr.write(f"{different} of those already there have other values in the file.", self.style.WARNING)
        if counts["refused"]:
            raise CommandError(f"{counts['refused']} of {total} rows were refused.")

    def owner(self, email: str) -> User:
        """Return the user; raise CommandError if there is none or the account is deactivated."""
        try:
            user = User.objects.get_by_natural_key(email)
        except User.DoesNotExist:
            raise CommandError(f"There is no user {email}.") from None
        if not user.is_active:
            raise CommandError(f"{user} is deactivated.")
        return user

    def report(self, line: int, field: str, reason: str) -> None:
        with tqdm.external_write_mode():
            self.stderr.write(f"line {line}: {field}: {reason}")


@contextmanager
def report_to(path: Path) -> Iterator[Report]:
    """Create a CSV file at `path`; yield a function that writes a row: line, field, reason."""
    # "x" does not overwrite existing files, such as the file to import.
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "field", "reason"])
        yield lambda *row: writer.writerow(row)


class PatientFile:
    """A CSV file of patients. Raises CommandError for an invalid file."""

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():
            raise CommandError(
                f"{path} is not a regular file, and it must be read twice: save the data to a file first."
            )
        self.path = path
        try:
            self.columns = Columns.read(self.lines(), PatientSerializer)
        except FileError as error:
            raise CommandError(f"{path} {error}") from None

    def lines(self) -> Iterator[Row]:
        """Yield (line number, cells) of all non-blank rows, including the header."""
        try:
            with self.path.open("rb") as file:
                yield from csv_rows(file)
        except FileError as error:
            raise CommandError(f"{self.path} {error}") from None

    def rows(self) -> Iterator[Row]:
        return islice(self.lines(), 1, None)

    def batches(self) -> Iterator[tuple[int, list[ValidRow], list[Fault]]]:
        """Yield BATCH rows at a time: their number, the valid rows as the API would store them, and the errors."""
        rows = self.rows()
        while batch := list(islice(rows, BATCH)):
            valid: list[ValidRow] = []
            faults: list[Fault] = []
            for line, cells in batch:
                try:
                    valid.append((line, self.columns.validated(self.columns.cells(cells))))
                except ValidationError as error:
                    detail: Any = error.detail
                    faults += [(line, field, " ".join(reasons)) for field, reasons in detail.items()]
            yield len(batch), valid, faults


def ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items, computing the next one in a thread while the caller waits for the database."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item


def differing(rows: list[ValidRow], user: User) -> list[tuple[int, str]]:
    """Return (line, names of fields) of rows whose patient is stored with values that differ in more than case."""

    def key(name: str, phone: str, email: str) -> tuple[str, str, str]:
        return fold(name), phone, fold(email)

    named = {fold(fields["name"]) for _, fields in rows}
    # Unordered and not filtered by phone; otherwise SQLite would scan all patients instead of the unique index.
    patients = Patient.objects.filter(user=user, name__fold__in=named).order_by()
    stored = {key(patient.name, patient.phone, patient.email): patient for patient in patients}
    found = []
    for line, fields in rows:
        patient = stored.get(key(fields["name"], fields["phone"], fields.get("email", "")))
        names = [name for name, value in fields.items() if patient and _differ(value, getattr(patient, name))]
        if names:
            found.append((line, ", ".join(names)))
    return found


def _differ(new: object, stored: object) -> bool:
    return fold(str(new)) != fold(str(stored))
