import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0006_results"),
    ]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="days_counted_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="preference",
            name="topic",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="preferences",
                to="notifier.topic",
            ),
        ),
        migrations.AddIndex(
            model_name="broadcast",
            index=models.Index(
                condition=models.Q(("days_counted_at", None)), fields=["id"], name="broadcast_uncounted"
            ),
        ),
        migrations.AddIndex(
            model_name="client",
            index=models.Index(
                condition=models.Q(("is_active", False), ("email", None), ("phone", None), _connector="OR"),
                fields=["id", "is_active", "email", "phone"],
                name="client_odd",
            ),
        ),
        migrations.AddIndex(
            model_name="dailytally",
            index=models.Index(condition=models.Q(("state", "UNKNOWN")), fields=["number"], name="dailytally_unknown"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ["FAILED", "UNKNOWN", "SKIPPED", "CANCELLED"])),
                fields=["state", "id"],
                name="delivery_not_sent",
            ),
        ),
        migrations.AddIndex(
            model_name="preference",
            index=models.Index(fields=["topic", "client", "email", "sms"], name="preference_reach"),
        ),
    ]
