from django.db import migrations, models

from notifier.runtime.migration_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifier", "0033_languages")]

    operations = [
        AddIndexOnline("client", models.Index(name="client_language_name", fields=["language", "name"])),
    ]
