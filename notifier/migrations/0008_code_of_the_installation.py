import secrets

from django.db import migrations, models


def choose_code(apps, schema_editor):
    installations = apps.get_model("notifier", "Installation").objects.using(schema_editor.connection.alias)
    # The migrations have made one row.
    installations.filter(code="").update(code=secrets.token_hex(5))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifier", "0007_refusals_of_messages")]

    operations = [
        migrations.AddField("installation", "code", models.CharField(max_length=16, default="", db_default="")),
        migrations.RunPython(choose_code, migrations.RunPython.noop),
    ]
