from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

from notifier.staff import groups

RIGHTS = ("view_brand", "change_brand")


def give(apps, schema_editor):
    using = schema_editor.connection.alias
    create_permissions(installed.get_app_config("notifier"), verbosity=0, using=using, apps=apps)
    groups.give(apps=apps, using=using, permissions=[f"notifier.{right}" for right in RIGHTS])


class Migration(migrations.Migration):
    # As with the pictures, in 0025: a handful of rows.
    atomic = False
    dependencies = [("notifier", "0023_brand")]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
