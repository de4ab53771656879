"""Create an index for `search=`: https://www.postgresql.org/docs/current/pgtrgm.html.

It requires the extension pg_trgm, which a role with CREATE on the database may install (PostgreSQL 13 and later).
Without it, and on SQLite, a search scans the table.
"""

import sys

from django.db import DatabaseError, migrations, models, transaction

INDEX = """
    CREATE INDEX doctors_search ON doctors_doctor
    USING gin (LOWER(name) gin_trgm_ops, LOWER(specialization) gin_trgm_ops, LOWER(email) gin_trgm_ops)
"""


def create(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError as error:
        sys.stderr.write(f"\nNo index for the search of doctors, as pg_trgm cannot be installed: {error}")
    else:
        schema_editor.execute(INDEX)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS doctors_search")


class Migration(migrations.Migration):
    dependencies = [("doctors", "0001_initial")]

    operations = [
        migrations.AddIndex("doctor", models.Index(fields=["name", "id"], name="doctors_by_name")),
        migrations.RunPython(create, drop),
    ]
