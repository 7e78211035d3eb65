from django.db import migrations, models

from notifier.runtime.migration_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifier", "0013_landlines")]

    operations = [
        AddIndexOnline(
            "client",
            models.Index(
                name="client_landline",
                fields=["id", "is_active", "phone", "landline_ending"],
                condition=models.Q(landline_ending__isnull=False),
            ),
        ),
    ]
