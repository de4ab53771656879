"""Indexes that Meta.indexes cannot define for both databases."""

import sys
from typing import Any

from django.db import DatabaseError, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from healthcare.db.functions import Searchable


def create_search_index(
    schema_editor: BaseDatabaseSchemaEditor, model: Any, name: str, fields: tuple[str, ...]
) -> None:
    """Create the index of `healthcare.search` on `fields`: https://www.postgresql.org/docs/current/pgtrgm.html.

    It requires the extension pg_trgm, which a role with the CREATE privilege on the database can install (PostgreSQL 13
    and later). Without the extension, and on SQLite, a search scans the table.
    """
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError as error:
        sys.stderr.write(f"\nNo index for searching {model._meta.db_table}, as pg_trgm cannot be installed: {error}")
        return
    query = model._base_manager.all().query
    texts = Searchable(*fields).resolve_expression(query)
    sql, params = query.get_compiler(connection=connection).compile(texts)
    sql = sql.replace(f"{schema_editor.quote_name(model._meta.db_table)}.", "")
    # A search also scans the pending list; a short one keeps searches fast after many inserts.
    schema_editor.execute(
        f"CREATE INDEX {name} ON {model._meta.db_table} USING gin (({sql}) gin_trgm_ops)"
        " WITH (gin_pending_list_limit = 512)",
        params or None,
    )


def drop_index(schema_editor: BaseDatabaseSchemaEditor, name: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX IF EXISTS {name}")
