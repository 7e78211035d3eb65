from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

from notifier.staff import groups

RIGHTS = [f"{act}_savedaudience" for act in ("view", "add", "change", "delete", "use")]


def give(apps, schema_editor):
    using = schema_editor.connection.alias
    create_permissions(installed.get_app_config("notifier"), verbosity=0, using=using, apps=apps)
    groups.give(apps=apps, using=using, permissions=[f"notifier.{right}" for right in RIGHTS])


class Migration(migrations.Migration):
    # A handful of rows. The groups that are there get the new rights too: nobody has decided against them yet.
    atomic = False
    dependencies = [("notifier", "0036_saved_audiences")]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
