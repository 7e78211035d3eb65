from django.db import migrations, models

from notifier.runtime.migration_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False  # PostgreSQL builds an index beside writes only outside of a transaction

    dependencies = [("notifier", "0043_unsent_staff_mails")]

    operations = [
        AddIndexOnline(
            "staffmail",
            models.Index(
                condition=models.Q(("failed_at__isnull", False)), fields=["failed_at"], name="staffmail_failed"
            ),
        ),
    ]
