#!/usr/bin/env python
"""Run Django's management commands for this project."""

import os
import re
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError, OperationalError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthcare.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")
    except DatabaseError as error:
        if "--traceback" in sys.argv:
            raise
        if migration_is_missing(error) and sys.argv[1:2] != ["migrate"]:
            sys.exit("error: the database is not migrated: run manage.py migrate")
        if not isinstance(error, OperationalError):
            raise
        sys.exit(f"error: the database is unavailable: {error}".strip())
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        # The exit status of a shell for SIGINT.
        sys.exit(130)


def migration_is_missing(error: DatabaseError) -> bool:
    """Return whether a table or column does not exist (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
    undefined = getattr(error.__cause__, "pgcode", None) in {"42P01", "42703"}
    return undefined or bool(re.search("no such (table|column)|has no column", str(error)))


if __name__ == "__main__":
    main()
