from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import connection

from healthcare import backups
from healthcare.db.names import described


class Command(BaseCommand):
    help = (
        "Back up the whole database to FILE, a new file that only its owner can read; the server may keep running. The "
        "backup is one consistent snapshot, and FILE appears once it is complete and verified. On PostgreSQL it has "
        "pg_dump's custom format; on SQLite it is a database file. It does not contain SECRET_KEY and .env."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="the file to write; it must not exist yet")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            backups.write(file)
        except backups.FAILURES as error:
            raise CommandError(f"Not backed up to {file}: {error}") from error
        self.stdout.write(f"Backed up {described(connection)} to {file}: {file.stat().st_size} bytes.")
