import re
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import reset_queries, transaction
from django.template.defaultfilters import pluralize
from django.utils.crypto import get_random_string
from simple_history.utils import bulk_create_with_history
from tqdm import tqdm

from accounts.models import User
from demo.people import Inventor
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

DOMAIN = "demo.example.com"
STAFF = f"staff@{DOMAIN}"
BATCH = 2000


class Command(BaseCommand):
    help = (
        "Add invented users, doctors, patients and assignments of the last 60 days, with history, and print the "
        "log-ins. The same --seed generates the same people. A second run adds nothing, or, with --add, as many new "
        "users, doctors and patients."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--users", type=int, default=20, metavar="N", help="accounts, at least 1 (default: 20)")
        parser.add_argument("--doctors", type=int, default=50, metavar="N", help="doctors (default: 50)")
        parser.add_argument("--patients", type=int, default=2000, metavar="N", help="patients (default: 2000)")
        parser.add_argument("--mappings", type=int, metavar="N", help="assignments (default: as many as patients)")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the random people (default: 1)")
        parser.add_argument("--password", help="of all new accounts (default: a random one, which is printed)")
        parser.add_argument("--add", action="store_true", help="add to existing demonstration data")
        parser.add_argument("--force", action="store_true", help="run in production, too")

    def handle(
        self,
        *,
        users: int,
        doctors: int,
        patients: int,
        mappings: int | None,
        seed: int,
        password: str | None,
        add: bool,
        force: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        if mappings is None:
            mappings = patients if doctors else 0
        if users < 1 or min(doctors, patients, mappings) < 0:
            raise CommandError("--users must be at least 1, the other numbers at least 0.")
        if mappings > patients * doctors:
            raise CommandError(
                f"--mappings must be at most {patients * doctors} for {patients} patients and {doctors} doctors."
            )
        if settings.PRODUCTION and not force:
            raise CommandError("PRODUCTION is True: use --force to add invented people to a production database.")
        first = next_number()
        if first > 1 and not add:
            self.stdout.write("The demonstration data already exist: nothing added. Use --add to add more.")
            return
        password = password or get_random_string(12)
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None

        inventor = Inventor(f"{seed} {first}")
        # One hash for all accounts, because Argon2 is slow; they share the password that is printed below.
        password_hash = make_password(password)
        with transaction.atomic():
            accounts = User.objects.bulk_create(
                [inventor.user(f"user{first + index}@{DOMAIN}", password_hash) for index in range(users)]
            )
            staff = new_staff(password_hash)
            directory = [
                inventor.doctor(number, doctors, accounts, f"hospital{first}.example.com") for number in range(doctors)
            ]
            bulk_create_with_history(directory, Doctor, batch_size=BATCH)
        # Print now, because the password is not stored, and the rest may take long and be interrupted.
        self.stdout.write(f"Staff     {STAFF}{'' if staff else ', with its existing password'}")
        self.stdout.write(f"Users     {accounts[0].email} to {accounts[-1].email}")
        self.stdout.write(f"Password  {password}")
        self.stdout.flush()
        with tqdm(total=patients, unit=" patients", disable=None if verbosity else True) as progress:
            for start in range(0, patients, BATCH):
                end = min(start + BATCH, patients)
                batch = [inventor.patient(number, patients, accounts) for number in range(start, end)]
                share = mappings * end // patients - mappings * start // patients
                with transaction.atomic():
                    bulk_create_with_history(batch, Patient)
                    bulk_create_with_history(inventor.mappings(share, batch, directory), Mapping)
                # With DEBUG on, Django keeps every query in memory.
                reset_queries()
                progress.update(len(batch))

        added = {"user": users, "doctor": doctors, "patient": patients, "assignment": mappings}
        counts = ", ".join(f"{count} {what}{pluralize(count)}" for what, count in added.items())
        self.stdout.write(f"Added: {counts}.")


def next_number() -> int:
    """Return the number of the next demonstration user: 1 if there is none."""
    emails = User.objects.filter(email__iregex=rf"^user[0-9]{{1,9}}@{re.escape(DOMAIN)}$").order_by("-id")
    newest = emails.values_list("email", flat=True).first()
    return int(newest.removeprefix("user").partition("@")[0]) + 1 if newest else 1


def new_staff(password_hash: str) -> User | None:
    """Create and return the staff account, or return None if it exists."""
    if User.objects.filter(email__fold=STAFF).exists():
        return None
    return User.objects.create(name="Demo Staff", email=STAFF, password=password_hash, is_staff=True, is_superuser=True)
