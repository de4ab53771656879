"""Create the read-only group Auditors, in this app because it depends on all others."""

from django.db import migrations

VIEWED = {
    "accounts": ["user"],
    "patients": ["patient", "historicalpatient"],
    "doctors": ["doctor", "historicaldoctor"],
    "mappings": ["mapping", "historicalmapping"],
}


def create(apps, schema_editor):
    """Create the group and its permissions, which Django creates only after the last migration."""
    database = schema_editor.connection.alias
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    permissions = apps.get_model("auth", "Permission").objects.using(database)
    auditors, _ = apps.get_model("auth", "Group").objects.using(database).get_or_create(name="Auditors")
    for app, models in VIEWED.items():
        for model in models:
            content_type, _ = content_types.get_or_create(app_label=app, model=model)
            name = f"Can view {apps.get_model(app, model)._meta.verbose_name_raw}"
            permission, _ = permissions.get_or_create(
                content_type=content_type, codename=f"view_{model}", defaults={"name": name}
            )
            auditors.permissions.add(permission)


def remove(apps, schema_editor):
    apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias).filter(name="Auditors").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("mappings", "0002_by_day"),
        ("accounts", "0001_initial"),
        ("patients", "0001_initial"),
        ("doctors", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create, remove)]
