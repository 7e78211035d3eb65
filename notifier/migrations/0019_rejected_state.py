import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0018_names_without_accents"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="rejected_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="was_to_follow",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="notifier.broadcast",
            ),
        ),
        migrations.AlterField(
            model_name="broadcast",
            name="state",
            field=models.CharField(
                choices=[
                    ("AWAITING_APPROVAL", "Awaiting approval"),
                    ("SCHEDULED", "Scheduled"),
                    ("RUNNING", "Running"),
                    ("PAUSED", "Paused"),
                    ("CANCELLED", "Cancelled"),
                    ("FINISHED", "Finished"),
                    ("REJECTED", "Rejected"),
                ],
                default="RUNNING",
                max_length=20,
                verbose_name="status",
            ),
        ),
        migrations.CreateModel(
            name="StaffMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "what",
                    models.CharField(
                        choices=[("TO_APPROVE", "Needs approval"), ("APPROVED", "Approved"), ("REJECTED", "Rejected")],
                        max_length=10,
                    ),
                ),
                ("due_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                (
                    "broadcast",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="staff_mails", to="notifier.broadcast"
                    ),
                ),
                (
                    "to",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="staffmail_due")
                ],
            },
        ),
    ]
