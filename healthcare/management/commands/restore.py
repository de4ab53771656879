from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import connection

from healthcare import backups
from healthcare.db.names import described


class Command(BaseCommand):
    help = (
        "Replace EVERYTHING in the database with FILE, a backup made by `manage.py backup`, and end all sessions. Stop "
        "the server first: on PostgreSQL, restoring is refused while other sessions are connected. FILE is refused if "
        "it is damaged, comes from another project or database engine, or contains triggers, functions or anything "
        "else that migrations do not create. A failed restore changes nothing. If the code is newer than FILE, run "
        "`manage.py migrate` afterwards."
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
        self.stdout.write(f"Restored {described(connection)} from {file}. All users must log in again.")

    def ask(self, file: Path) -> None:
        question = f"This replaces everything in {described(connection)} with {file}. Type yes to continue: "
        try:
            answer = input(question)
        except EOFError:
            answer = ""
        if answer != "yes":
            raise backups.BackupError("not confirmed.")
