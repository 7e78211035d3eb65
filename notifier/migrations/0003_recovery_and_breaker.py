import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0002_first_topics_and_name_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Breaker",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "channel",
                    models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], max_length=10, unique=True),
                ),
                ("opened_at", models.DateTimeField(null=True, verbose_name="opened")),
                ("detail", models.CharField(blank=True, default="", max_length=300)),
                ("counted_from", models.DateTimeField(null=True)),
                ("given", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("probe_at", models.DateTimeField(null=True)),
                ("probes", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "permissions": [("resolve_delivery", "Can mark deliveries as sent and send them again")],
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.CreateModel(
            name="Resolution",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "action",
                    models.CharField(
                        choices=[("MARKED_SENT", "Marked as sent"), ("SENT_AGAIN", "Sent again")], max_length=20
                    ),
                ),
                ("at", models.DateTimeField()),
                ("why", models.CharField(max_length=300)),
                ("number", models.BigIntegerField(default=0)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ResolvedDelivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state_before",
                    models.CharField(
                        choices=[
                            ("PENDING", "Waiting"),
                            ("SENDING", "Being sent"),
                            ("RETRYING", "To be tried again"),
                            ("SENT", "Sent"),
                            ("FAILED", "Failed"),
                            ("UNKNOWN", "Unknown"),
                            ("SKIPPED", "Skipped"),
                            ("CANCELLED", "Cancelled"),
                        ],
                        max_length=10,
                    ),
                ),
                ("detail_before", models.CharField(blank=True, db_default="", max_length=300)),
                (
                    "delivery",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resolutions",
                        to="notifier.delivery",
                    ),
                ),
                (
                    "resolution",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="notifier.resolution",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "resolved deliveries",
                "constraints": [
                    models.UniqueConstraint(fields=("resolution", "delivery"), name="resolveddelivery_once")
                ],
            },
        ),
    ]
