"""Validate the schema of an SQLite backup: it may contain only what migrations create, with every constraint."""

import re
from collections.abc import Collection, Iterable

from django.db.migrations.loader import MigrationLoader

# SQLite's own tables.
INTERNAL_TABLES = {"sqlite_sequence", "sqlite_stat1", "sqlite_stat4"}
# Words allowed before a parenthesis: keywords, types, and the functions used in constraints and indexes. A generated
# column has AS.
CALLABLE = {
    *("and", "check", "default", "else", "in", "key", "not", "on", "or", "then", "unique", "when", "where", "between"),
    *("char", "decimal", "numeric", "varchar", "coalesce", "fold", "length", "lower", "md5", "replace", "searchable"),
    *("substr", "upper"),
}


def unknown_sql(schema: Iterable[tuple[str, str | None]], known: Collection[str]) -> str | None:
    """Return the first SQL, or else the table, that no migration creates, if there is one.

    `schema` contains the table and the SQL of each object; indexes that SQLite creates automatically have no SQL.
    """
    tables = {*known, *INTERNAL_TABLES}
    for table, sql in schema:
        text = re.sub(r'"(\w+)"', r"\1", re.sub(r"'(?:[^']|'')*'", "", sql or ""))
        called = {word.lower() for word in re.findall(r"(\w+)\s*\(", text)}
        if (
            table not in tables
            or (sql and not re.match("CREATE (TABLE|INDEX|UNIQUE INDEX) ", sql))
            or called - CALLABLE - tables
            # A second statement, comments and quoted names.
            or re.search(r";|--|/\*|[\"\[`]", text)
        ):
            return sql or table
    return None


def missing_constraint(schema: Iterable[tuple[str, str | None]], applied: Collection[tuple[str, str]]) -> str | None:
    """Return the name of a constraint that should exist after the `applied` migrations, but does not."""
    loader = MigrationLoader(None)
    # Migrations of a newer release may have removed constraints.
    newer = {app for app, name in applied if (app, name) not in loader.graph.nodes}
    state = loader.project_state([node for node in loader.graph.nodes if node in applied])
    sql = {
        (table, name)
        for table, text in schema
        for name in re.findall(r'(?:UNIQUE INDEX|CONSTRAINT) "(\w+)"', text or "")
    }
    for model in state.apps.get_models():
        for constraint in model._meta.constraints:
            if model._meta.app_label not in newer and (model._meta.db_table, constraint.name) not in sql:
                return constraint.name
    return None
