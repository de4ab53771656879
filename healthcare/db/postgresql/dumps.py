"""Read and validate a PostgreSQL dump: it may contain rows and the statements that create what migrations create.

A dump is code: triggers, functions, views, and expressions in defaults, constraints and indexes run with the rights of
the role that restores it or, later, of the server's role. So each statement that pg_restore would execute must match an
allowed pattern and may call only allowed functions.

pg_restore must not connect to the database itself: it would execute strings of the archive, each of which may contain
several statements, where its script shows rows. So the statements of the script are executed as they are validated.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice, takewhile

# Words allowed before a parenthesis: keywords, types, and the functions used in constraints and indexes.
CALLABLE = {
    *("add", "all", "and", "any", "array", "case", "check", "else", "identity", "in", "key", "not", "on", "or", "then"),
    *("unique", "using", "when", "where", "brin", "btree", "gin", "bit", "char", "character", "numeric", "time"),
    *("timestamp", "varchar", "varying", "with", "coalesce", "left", "length", "lower", "md5", "nextval", "normalize"),
    *("octet_length", "regexp_replace", "replace", "unaccent", "upper"),
}
SETTINGS = (
    "check_function_bodies|client_min_messages|default_table_access_method|default_tablespace|default_with_oids|"
    "idle_in_transaction_session_timeout|lock_timeout|row_security|statement_timeout|transaction_timeout|xmloption"
)
EXTENSIONS = "pg_trgm|unaccent"
NAME = r"(?:\w+\.)?\w+"
TABLE = r"(?:\w+\.)?(?P<table>\w+)"
# String literals are replaced by `masked`.
STATEMENTS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rf"SET (?:{SETTINGS}) = [\w']*",
        r"SET client_encoding = UTF8",
        r"SET standard_conforming_strings = on",
        r"SELECT pg_catalog\.set_config\(search_path, '', false\)",
        r"SELECT pg_catalog\.setval\('~', \d+, (?:true|false)\)",
        r"(?:CREATE|DROP) SCHEMA (?:IF EXISTS )?\w+",
        rf"CREATE EXTENSION IF NOT EXISTS (?:{EXTENSIONS}) WITH SCHEMA \w+",
        rf"DROP EXTENSION IF EXISTS (?:{EXTENSIONS})",
        r"COMMENT ON (?:EXTENSION|SCHEMA) \w+ IS '~?'",
        rf"CREATE TABLE {TABLE} \(.*\)",
        rf"CREATE SEQUENCE {NAME}[^()]*",
        rf"ALTER SEQUENCE {NAME} OWNED BY {TABLE}\.\w+",
        rf"ALTER TABLE (?:ONLY )?{TABLE}\s+ADD CONSTRAINT \w+ (?:PRIMARY KEY|UNIQUE|FOREIGN KEY|CHECK) .*",
        rf"ALTER TABLE (?:ONLY )?{TABLE} ALTER COLUMN \w+ (?:ADD GENERATED|SET DEFAULT) .*",
        rf"ALTER TABLE IF EXISTS (?:ONLY )?{TABLE} DROP CONSTRAINT IF EXISTS \w+",
        rf"ALTER TABLE IF EXISTS {TABLE} ALTER COLUMN \w+ DROP (?:DEFAULT|IDENTITY(?: IF EXISTS)?)",
        rf"CREATE (?:UNIQUE )?INDEX \w+ ON {TABLE} USING .*",
        rf"DROP (?:INDEX|SEQUENCE) IF EXISTS {NAME}",
        rf"DROP TABLE IF EXISTS {TABLE}",
        rf"COPY {TABLE} \([\w, ]+\) FROM stdin",
    )
]


class UnknownStatementError(Exception):
    """A statement that no migration causes; the message is the statement, truncated."""


class Rows:
    """The lines of a COPY statement as the file that psycopg2's `copy_expert` reads."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines

    def read(self, size: int) -> bytes:
        # More than `size` is allowed.
        return "".join(islice(self.lines, 100)).encode("utf-8", "surrogateescape")


def created_tables(
    script: Iterable[str], known: Collection[str], execute: Callable[[str, Iterator[str]], None] | None = None
) -> set[str]:
    """Return the tables that a pg_restore script creates; only tables in `known` are allowed.

    Call `execute` with each statement, once it is validated, and its rows. Raises UnknownStatementError for a statement
    that is not allowed.
    """
    created = set()
    for statement, rows in statements(script):
        table = checked(statement, known)
        if table and statement.startswith("CREATE TABLE"):
            created.add(table)
        if execute:
            execute(statement, rows)
    return created


def statements(script: Iterable[str]) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield the statements of a pg_restore script, each with its rows: the lines between `COPY` and `\\.`."""
    lines, statement = iter(script), ""
    for line in lines:
        # Comments and psql commands.
        if not statement and (not line.strip() or re.match(r"--|\\(un)?restrict \w+$", line)):
            continue
        statement += line
        if statement.rstrip().endswith(";") and statement.count("'") % 2 == 0:
            # Without an end marker, the rest of the script consists of rows.
            rows = takewhile("\\.\n".__ne__, lines if statement.startswith("COPY") else ())
            yield statement.strip(), rows
            # Skip the rows that the caller has not read.
            deque(rows, maxlen=0)
            statement = ""
    if statement:
        raise UnknownStatementError(statement[:80])


def checked(statement: str, known: Collection[str]) -> str | None:
    """Return the table of an allowed statement, if it has one; raise UnknownStatementError for any other."""
    text = re.sub(r"(?<!\w)'(?:[^']|'')*'", lambda literal: masked(literal[0]), statement.removesuffix(";"))
    text = re.sub(r'"(\w+)"', r"\1", text)
    match = next(filter(None, (pattern.fullmatch(text) for pattern in STATEMENTS)), None)
    # The searches find a second statement, a comment, a dollar-quoted string, an escape string, or a quoted name, and
    # what cannot be sent: NUL, and bytes that are not UTF-8.
    if not match or re.search(r";|--|/\*|\$|\"|\w'", text) or re.search("[\0\ud800-\udfff]", statement):
        raise UnknownStatementError(statement[:80])
    # Rows or columns of other tables, and a second action: `CREATE TABLE x (y) AS SELECT`, `SET DEFAULT 1, OWNER TO`.
    outside = outside_parentheses(text)
    if re.search(r"(?i)\blike\b", text) or re.search(r"[(),]|^CREATE TABLE \S+ .*\S", outside, re.DOTALL):
        raise UnknownStatementError(statement[:80])
    table = match.groupdict().get("table")
    called = {word.lower() for word in re.findall(r"(\w+)\s*\(", text)}
    if table and (table not in known or called - CALLABLE - set(known)):
        raise UnknownStatementError(statement[:80])
    return table


def outside_parentheses(text: str) -> str:
    """Return what is outside of balanced parentheses."""
    # Deeper nesting is left, and refused; removing it would take quadratic time.
    for _ in range(50):
        text = re.sub(r"\([^()]*\)", "", text)
    return text


def masked(literal: str) -> str:
    """Return the value of string literals that STATEMENTS match, and '~' for all others."""
    return {"'UTF8'": "UTF8", "'search_path'": "search_path", "''": "''"}.get(literal, "'~'")
