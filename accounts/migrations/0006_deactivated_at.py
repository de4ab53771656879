from django.db import migrations, models
from django.utils import timezone


def revoke(apps, schema_editor):
    """Revoke the tokens and sessions of accounts that are already deactivated."""
    users = apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias)
    users.filter(is_active=False).update(deactivated_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_version_names"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="deactivated_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
