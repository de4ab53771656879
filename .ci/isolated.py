"""Run a command whatever .env and the shell's variables say, on the database of DB_LIVE: isolated.py COMMAND...

PostgreSQL is where DB_* say, in the environment or else in .env, or at 127.0.0.1. Where it does not serve, the command
is left out with PostgreSQL's own reason; with REQUIRE_POSTGRESQL that is a failure.
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
        sys.exit(f"error: PostgreSQL does not serve: {reason}")
    if reason:
        print(f"Left out: what needs PostgreSQL, which does not serve: {reason}")
        return
    chosen = {*re.findall(r"^#([A-Z_]+)=", Path(".env.example").read_text(), re.MULTILINE), "DJANGO_SETTINGS_MODULE"}
    rest = {name: value for name, value in os.environ.items() if name not in chosen}
    os.execvpe(command[0], command, rest | server | {"DB_LIVE": str(live), "DOTENV": os.devnull})


def why_not(server):
    """Return in one line why nobody can log in to the server; empty where one can."""
    parameters = {name: server[f"DB_{name.upper()}"] for name in ("user", "password", "host", "port")}
    try:
        psycopg2.connect(dbname="postgres", **parameters, connect_timeout=3).close()
    except psycopg2.OperationalError as error:
        return " ".join(str(error).split())
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
