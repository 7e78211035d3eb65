from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

from notifier import rights


def make_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    # Django makes permissions after the last migration, which is too late here. It makes only those that are missing,
    # so that it finds these later and leaves them.
    for label in ("auth", "axes", "notifier"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=using, apps=apps)
    rights.make_groups(apps=apps, using=using)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("axes", "0010_accessattemptexpiration"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("notifier", "0007_overview"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
