"""Convert line ends in addresses to line feeds, as AddressField does from now on."""

from django.db import migrations
from django.db.models import Value
from django.db.models.functions import Replace


def unify(apps, schema_editor):
    records = apps.get_model("doctors", "Doctor").objects.using(schema_editor.connection.alias)
    line_feeds = Replace(Replace("address", Value("\r\n"), Value("\n")), Value("\r"), Value("\n"))
    records.filter(address__contains="\r").update(address=line_feeds)


class Migration(migrations.Migration):
    dependencies = [("doctors", "0006_names_and_indexes")]

    operations = [migrations.RunPython(unify, migrations.RunPython.noop)]
