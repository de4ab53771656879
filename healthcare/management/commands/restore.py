from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import connection

from healthcare import backups
from healthcare.db.names import described


class Command(BaseCommand):
    help = (
        "Replace EVERYTHING in the database by the contents of FILE, made by `manage.py backup`, and end all sessions. "
        "Stop the server first: PostgreSQL's restore is refused while others are connected. A FILE that is damaged, of "
        "another project or of the other kind of database is refused, and so is one with triggers, functions or "
        "anything else that migrations do not create. A restore that fails changes nothing. Run `manage.py migrate` "
        "afterwards if the code is newer than FILE."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="the file to read")
        parser.add_argument("--noinput", "--no-input", action="store_true", help="do not ask for confirmation")

    def handle(self, *args: Any, file: Path, noinput: bool, **options: Any) -> None:
        try:
            backups.check(file)
            if not noinput:
                self.ask(file)
            backups.restore(file)
        except backups.FAILURES as error:
            raise CommandError(f"Not restored from {file}: {error}") from error
        self.stdout.write(f"Restored {described(connection)} from {file}. Everybody must log in again.")

    def ask(self, file: Path) -> None:
        question = f"Everything in {described(connection)} is replaced by {file}. Type yes to continue: "
        try:
            answer = input(question)
        except EOFError:
            answer = ""
        if answer != "yes":
            raise backups.BackupError("not confirmed.")
