"""Create the index for searches by words in any order, without accents, and phones with separators."""

from django.db import migrations

from healthcare.db.indexes import create_search_index, drop_index

FIELDS = ("name", "phone", "email", "address")


def create(apps, schema_editor):
    create_search_index(schema_editor, apps.get_model("patients", "Patient"), "patients_search", FIELDS)


def drop(apps, schema_editor):
    drop_index(schema_editor, "patients_search")


class Migration(migrations.Migration):
    dependencies = [("patients", "0006_line_ends")]

    operations = [migrations.RunPython(create, drop)]
