from django.db import migrations, models

_STATES = [
    ("AWAITING_APPROVAL", "Awaiting approval"),
    ("SCHEDULED", "Scheduled"),
    ("RUNNING", "Sending"),
    ("PAUSED", "Paused"),
    ("CANCELLED", "Cancelled"),
    ("FINISHED", "Finished"),
    ("REJECTED", "Rejected"),
]


class Migration(migrations.Migration):
    # What screens say; nothing changes in the database.
    dependencies = [("notifier", "0044_tags_former_names")]

    operations = [
        migrations.AlterModelOptions(
            "delivery",
            {
                "verbose_name": "message",
                "permissions": [
                    ("resolve_delivery", "Can mark messages as sent and send them again"),
                    ("export_delivery", "Can export messages, with addresses"),
                ],
            },
        ),
        migrations.AlterModelOptions("resolveddelivery", {"verbose_name": "resolved message"}),
        migrations.AlterField(
            "broadcast",
            "state",
            models.CharField(choices=_STATES, default="RUNNING", max_length=20, verbose_name="status"),
        ),
        migrations.AlterField(
            "client",
            "stopped_at",
            models.DateTimeField(editable=False, null=True, verbose_name="unsubscribed from everything"),
        ),
    ]
