from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import connection

from healthcare import backups
from healthcare.db.names import described


class Command(BaseCommand):
    help = (
        "Write the whole database to FILE, a new file that only its owner may read, while the server runs: one "
        "consistent state of users, records, assignments, history and tokens. FILE appears once it is complete and was "
        "read back. On PostgreSQL it has pg_dump's custom format; on SQLite it is a database file. SECRET_KEY and .env "
        "are not in it."
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
