from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_attempt_window"),
    ]

    operations = [
        migrations.AlterField(
            model_name="attemptwindow",
            name="count",
            field=models.IntegerField(),
        ),
    ]
