from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from healthcare.db.names import described


class Command(migrate.Command):
    """Django's `migrate`, which also prints the database it works on."""

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verbosity"]:
            self.stdout.write(f"Database: {described(connections[options['database']])}")
        super().handle(*args, **options)
