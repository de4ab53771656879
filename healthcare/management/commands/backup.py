from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from healthcare import backups


class Command(BaseCommand):
    help = (
        "Write the whole database to FILE, while the server runs: one consistent state of users, records, assignments, "
        "history and tokens. FILE must be new; its owner alone may read it; it appears when it is written out. On "
        "PostgreSQL this is pg_dump's custom format, of which the table of contents is read back; on SQLite a database "
        "file, all of which is. SECRET_KEY and .env are not in it."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="where to write; refused if it exists")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            backups.write(file)
        except backups.FAILURES as error:
            raise CommandError(f"Not backed up to {file}: {error}") from error
        self.stdout.write(f"Backed up to {file}: {file.stat().st_size} bytes.")
