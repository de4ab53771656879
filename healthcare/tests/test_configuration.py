"""`.env.example` and docs/configuration.md list exactly the variables that the code reads."""

import ast
import re

import pytest
from django.conf import settings

APPS = ["accounts", "patients", "doctors", "mappings", "demo", "healthcare"]
NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
# Django's variable for the settings module.
FOREIGN = {"DJANGO_SETTINGS_MODULE"}


def variables_read(tree):
    """Return the names that a module passes to `env.…()`, `os.environ` or its own reader function."""
    readers = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)} if reads_environ(tree) else {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            source, argument = ast.unparse(node.func), node.args[0]
        elif isinstance(node, ast.Subscript):
            source, argument = ast.unparse(node.value), node.slice
        else:
            continue
        named = isinstance(argument, ast.Constant) and NAME.fullmatch(str(argument.value))
        if named and (source.startswith(("env.", "os.environ", "os.getenv")) or source in readers):
            yield argument.value


def reads_environ(tree):
    return any(isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ" for node in ast.walk(tree))


@pytest.fixture(scope="module")
def variables():
    """Return the sorted names of all variables that the apps read."""
    paths = [path for app in APPS for path in (settings.BASE_DIR / app).rglob("*.py") if "tests" not in path.parts]
    return sorted({name for path in paths for name in variables_read(ast.parse(path.read_text()))} - FOREIGN)


def test_the_variables_that_the_code_reads_are_found(variables):
    assert {"DB_LIVE", "DATABASE_URL", "SECRET_KEY", "RATE_USER", "DOTENV"} <= set(variables)


@pytest.mark.parametrize(
    ("path", "line"),
    [(".env.example", r"^#([A-Z0-9_]+)="), ("docs/configuration.md", r"^\| `([A-Z0-9_]+)` \|")],
    ids=["env-example", "docs"],
)
def test_every_variable_is_listed_once_and_no_other(path, line, variables):
    text = (settings.BASE_DIR / path).read_text()

    assert sorted(re.findall(line, text, re.MULTILINE)) == variables
