from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations


def add_name_search(apps, schema_editor):
    # What `name__icontains` asks on PostgreSQL. SQLite reads through the index on the name instead.
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX client_name_search ON notifier_client USING gin (UPPER(name::text) gin_trgm_ops)"
        )


def drop_name_search(apps, schema_editor):
    schema_editor.execute("DROP INDEX IF EXISTS client_name_search")


class Migration(migrations.Migration):
    dependencies = [("notifier", "0001_initial")]

    operations = [TrigramExtension(), migrations.RunPython(add_name_search, drop_name_search)]
