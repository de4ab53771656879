"""Run Python and management commands with a given environment."""

import os
import subprocess
import sys

from healthcare import settings

KEY = "fJ2vX8qLr5TzW1nBd7YkPm4GhCs9RaEu0oVi6xQtZyN3bHcUq8Dw5Kp"
DATABASE = {"DB_LIVE": "True", "DB_NAME": "clinic", "DB_USER": "clinic"}
URL = "postgresql://u:p@db.example/d"
# Include subprocesses in the coverage.
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COV")}


def manage(*arguments, **environ):
    """Run manage.py in a subprocess with only this environment, without a .env."""
    return python("manage.py", *arguments, **environ)


def python(*arguments, **environ):
    """Run Python in the project's folder with only this environment, without a .env."""
    return subprocess.run(  # noqa: S603, no shell
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **COVERAGE, "DOTENV": os.devnull, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
