from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.utils import timezone

from notifier.staff import groups


def add_topics(apps, schema_editor):
    topics = apps.get_model("notifier", "Topic").objects.using(schema_editor.connection.alias)
    for name, slug in (("Listings", "listings"), ("Offerings", "offerings")):
        topics.get_or_create(slug=slug, defaults={"name": name})


def begin_records(apps, schema_editor):
    installations = apps.get_model("notifier", "Installation").objects.using(schema_editor.connection.alias)
    installations.get_or_create(pk=1, defaults={"records_began_at": timezone.now()})


def make_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    # Django makes permissions after the last migration, which is too late here. It makes only those that are missing,
    # so that it finds these later and leaves them.
    for label in ("auth", "axes", "notifier"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=using, apps=apps)
    groups.make_groups(apps=apps, using=using)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("axes", "0010_accessattemptexpiration"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("notifier", "0002_name_search"),
    ]

    operations = [
        migrations.RunPython(add_topics, migrations.RunPython.noop),
        migrations.RunPython(begin_records, migrations.RunPython.noop),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
