"""A PostgreSQL database that cannot store or compare every name is refused. PostgreSQL only."""

import re

import psycopg2
import pytest
from django.conf import settings

from healthcare.db.postgresql.base import without_deadlines
from healthcare.tests.environment import manage


@pytest.fixture
def server():
    where = settings.DATABASES["default"]
    names = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    connection = psycopg2.connect(dbname="postgres", **{name: where[key] for name, key in names.items()})
    connection.autocommit = True
    # CREATE DATABASE waits for a checkpoint, which may take longer than DB_TIMEOUT on a busy disk.
    with without_deadlines():
        yield connection.cursor()
    connection.close()


@pytest.fixture
def environ(server):
    """Return the environment of a database that a test creates."""
    where = settings.DATABASES["default"]
    name = f"{where['NAME']}_encoding"
    server.execute(f"DROP DATABASE IF EXISTS {name}")
    yield {"DB_LIVE": "True", "DB_NAME": name, **{f"DB_{key}": str(where[key]) for key in ("USER", "HOST", "PORT")}}
    server.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.mark.parametrize("command", [["migrate"], ["migrate", "--check"]], ids=["migrate", "serve"])
@pytest.mark.parametrize(
    ("encoding", "fault"),
    [
        ("ENCODING 'UTF8' LOCALE 'C'", "a locale limited to ASCII"),
        ("ENCODING 'SQL_ASCII' LOCALE 'C'", "the encoding SQL_ASCII"),
        ("ENCODING 'LATIN1' LOCALE 'C'", "the encoding LATIN1"),
    ],
    ids=["C", "SQL_ASCII", "LATIN1"],
)
def test_it_is_refused_with_the_statement_that_creates_a_suitable_one(server, environ, command, encoding, fault):
    name = environ["DB_NAME"]
    server.execute(f"CREATE DATABASE {name} {encoding} TEMPLATE template0")

    refused = manage(*command, **environ)
    right = re.search("CREATE DATABASE [^;]*", refused.stderr)[0]
    server.execute(f"DROP DATABASE {name}")
    server.execute(right)
    accepted = manage("check", "--database", "default", **environ)

    assert refused.returncode == 1
    assert f'The database "{name}" has {fault}.' in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (accepted.returncode, accepted.stderr) == (0, "")
