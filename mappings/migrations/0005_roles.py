"""Create the groups Reception and Administrators, and let Auditors view the activity.

They are created here because this app depends on all others.
"""

from django.db import migrations

RECORDS = [("patients", "patient"), ("doctors", "doctor"), ("mappings", "mapping")]
GRANTED = {
    "Reception": [(verb, *record) for record in RECORDS for verb in ("view", "add", "change")],
    "Administrators": [
        *[(verb, *record) for record in RECORDS for verb in ("view", "add", "change", "delete")],
        *[("export", *record) for record in RECORDS[:2]],
        *[(verb, "accounts", "user") for verb in ("view", "add", "change")],
        ("view", "admin", "logentry"),
    ],
    "Auditors": [("view", "admin", "logentry")],
}


def create(apps, schema_editor):
    """Create the groups and their permissions, which Django creates only after the last migration."""
    database = schema_editor.connection.alias
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    permissions = apps.get_model("auth", "Permission").objects.using(database)
    groups = apps.get_model("auth", "Group").objects.using(database)
    for name, granted in GRANTED.items():
        group, created = groups.get_or_create(name=name)
        # An existing group of that name is not changed.
        if created or name == "Auditors":
            for verb, app, model in granted:
                options = apps.get_model(app, model)._meta
                what = options.verbose_name_plural if verb == "export" else options.verbose_name_raw
                content_type, _ = content_types.get_or_create(app_label=app, model=model)
                permission, _ = permissions.get_or_create(
                    content_type=content_type, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {what}"}
                )
                group.permissions.add(permission)


def remove(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    groups.filter(name__in=["Reception", "Administrators"]).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("mappings", "0004_names_and_indexes"),
        ("patients", "0002_by_day_and_export"),
        ("doctors", "0003_export"),
        ("admin", "0001_initial"),
    ]

    operations = [migrations.RunPython(create, remove)]
