"""Management commands report errors in one sentence, without a traceback."""

import io

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.utils import ConnectionHandler

from healthcare.db.names import described
from healthcare.tests.environment import manage

User = get_user_model()
ENGINE = "healthcare.db.postgresql"


@pytest.fixture
def empty(tmp_path):
    """Return the environment of a database without tables."""
    if not settings.DB_LIVE:
        module = "healthcare.tests.browser.settings"
        return {"DJANGO_SETTINGS_MODULE": module, "BROWSER_DATABASE": str(tmp_path / "db.sqlite3")}
    server = settings.DATABASES["default"]
    server = {f"DB_{name}": str(server[name]) for name in ("USER", "PASSWORD", "HOST", "PORT")}
    return {"DB_LIVE": "True", "DB_NAME": "postgres", **server}


@pytest.mark.parametrize(
    "command",
    [
        ["demo"],
        ["import_patients", "README.md", "--user", "ann@example.com"],
        ["clean_expired"],
        ["createsuperuser", "--noinput", "--name=Ann", "--email=ann@example.com"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_on_an_empty_database_says_what_to_do(empty, command):
    process = manage(*command, **empty)

    assert process.stderr == "error: the database is not migrated: run manage.py migrate\n"
    assert process.returncode == 1


@pytest.mark.django_db(transaction=True)
def test_a_command_says_which_database_it_works_on(capsys, tmp_path, monkeypatch):
    where = connection.settings_dict
    host = f"{where['HOST']}:{where['PORT']}"
    name = f"PostgreSQL {where['NAME']} at {host}" if settings.DB_LIVE else f"SQLite {where['NAME']}"
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))

    call_command("migrate")
    call_command("clean_expired")
    call_command("backup", tmp_path / "night.backup")
    call_command("restore", tmp_path / "night.backup")

    printed = capsys.readouterr().out
    for line in (
        f"Database: {name}\n",
        f"counters from {name}.",
        f"Backed up {name} to ",
        f"This replaces everything in {name} with ",
        f"Restored {name} from ",
    ):
        assert line in printed


def test_the_name_of_a_database_has_no_password():
    parameters = {"HOST": "", "PORT": "", "NAME": "clinic", "USER": "ann", "PASSWORD": "s3cret", "OPTIONS": {}}
    postgresql = ConnectionHandler({"default": settings.DATABASES["default"] | parameters | {"ENGINE": ENGINE}})

    assert described(postgresql["default"]) == "PostgreSQL clinic at the local socket:5432"


def test_any_other_database_error_is_shown_unchanged(empty):
    code = "from django.db import connection; connection.cursor().execute('SELEKT 1')"

    process = manage("shell", "--no-imports", "--command", code, **empty)

    assert process.returncode == 1
    assert "SELEKT" in process.stderr


def test_an_interrupted_command_prints_a_message():
    process = manage("shell", "--no-imports", "--command", "raise KeyboardInterrupt")

    assert (process.returncode, process.stderr) == (130, "Interrupted.\n")


@pytest.mark.django_db
def test_a_superuser_needs_a_unique_email(make_user):
    make_user("Ann")

    with pytest.raises(CommandError, match="That e-mail is already taken"):
        call_command("createsuperuser", "--noinput", "--name=Ann", "--email=Ann@Example.com")
    call_command("createsuperuser", "--noinput", "--name=Bob", "--email=bob@example.com", verbosity=0)

    assert list(User.objects.values_list("email", "is_superuser")) == [
        ("ann@example.com", False),
        ("bob@example.com", True),
    ]
