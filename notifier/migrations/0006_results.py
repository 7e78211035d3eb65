from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0005_consent_evidence")]

    operations = [
        migrations.AddConstraint(
            model_name="broadcast",
            constraint=models.UniqueConstraint(fields=("follows",), name="broadcast_followed_once"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ["FAILED", "UNKNOWN", "SKIPPED", "CANCELLED"])),
                fields=["state", "broadcast", "detail"],
                name="delivery_unsent",
            ),
        ),
    ]
