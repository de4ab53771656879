"""Create the index for searches by words in any order, without accents, and phones with separators."""

from django.db import migrations

from healthcare.db.indexes import create_search_index, drop_index

FIELDS = ("name", "specialization", "email", "phone", "address")


def create(apps, schema_editor):
    drop_index(schema_editor, "doctors_search")
    create_search_index(schema_editor, apps.get_model("doctors", "Doctor"), "doctors_search", FIELDS)


def drop(apps, schema_editor):
    drop_index(schema_editor, "doctors_search")


class Migration(migrations.Migration):
    dependencies = [("doctors", "0007_line_ends")]

    operations = [migrations.RunPython(create, drop)]
