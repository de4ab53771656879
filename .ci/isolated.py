"""Run a command without the project's variables from .env and the shell, except DB_LIVE: isolated.py COMMAND...

With DB_LIVE=True the DB_* variables of the environment or .env are kept, with defaults for 127.0.0.1. If PostgreSQL
does not respond, the command is skipped and the reason printed; with REQUIRE_POSTGRESQL that is an error.
"""

import os
import re
import sys
from pathlib import Path

import psycopg2
from dotenv import dotenv_values

SERVER = {"DB_NAME": "healthcare", "DB_USER": "postgres", "DB_PASSWORD": "", "DB_HOST": "127.0.0.1", "DB_PORT": "5432"}


def main(command):
    live = os.environ.get("DB_LIVE", "").lower() in {"true", "1", "yes", "on"}
    known = dotenv_values(".env", interpolate=False) | os.environ
    server = {name: known.get(name) or default for name, default in SERVER.items()} if live else {}
    reason = why_not(server) if live else ""
    if reason and os.environ.get("REQUIRE_POSTGRESQL"):
        sys.exit(f"error: PostgreSQL does not answer: {reason}")
    if reason:
        print(f"Skipped, as PostgreSQL does not answer: {reason}")
        return
    chosen = {*re.findall(r"^#([A-Z_]+)=", Path(".env.example").read_text(), re.MULTILINE), "DJANGO_SETTINGS_MODULE"}
    rest = {name: value for name, value in os.environ.items() if name not in chosen}
    os.execvpe(command[0], command, rest | server | {"DB_LIVE": str(live), "DOTENV": os.devnull})


def why_not(server):
    """Return why connecting to the server fails, in one line, or "" if it succeeds."""
    parameters = {name: server[f"DB_{name.upper()}"] for name in ("user", "password", "host", "port")}
    try:
        psycopg2.connect(dbname="postgres", **parameters, connect_timeout=3).close()
    except psycopg2.OperationalError as error:
        return " ".join(str(error).split())
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
