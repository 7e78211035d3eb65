import django.db.models.deletion
import phonenumber_field.modelfields
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import notifier.models.clients


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0003_recovery_and_breaker"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Census",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("counts", models.JSONField(default=dict)),
                ("counted_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "censuses",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ClientImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file_name", models.CharField(max_length=200, verbose_name="file")),
                ("content", models.BinaryField()),
                (
                    "state",
                    models.CharField(
                        choices=[("UPLOADED", "Being prepared"), ("DONE", "Imported"), ("DISCARDED", "Discarded")],
                        default="UPLOADED",
                        max_length=10,
                    ),
                ),
                ("mapping", models.JSONField(default=dict)),
                ("resubscribes", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("counts", models.JSONField(default=dict)),
                ("failed_rows", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="uploaded")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="imported")),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ConsentChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], max_length=10)),
                ("agreed", models.BooleanField()),
                ("at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("STAFF", "Staff"),
                            ("IMPORT", "Import"),
                            ("COMMAND", "Command line"),
                            ("EARLIER", "Before records began"),
                        ],
                        max_length=20,
                    ),
                ),
                ("detail", models.CharField(blank=True, db_default="", default="", max_length=300)),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="DailyTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("channel", models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], max_length=10)),
                (
                    "state",
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
                ("number", models.BigIntegerField()),
            ],
            options={
                "verbose_name_plural": "daily tallies",
            },
        ),
        migrations.CreateModel(
            name="HistoricalClient",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                (
                    "email",
                    notifier.models.clients.LowercaseEmailField(
                        blank=True, db_index=True, max_length=254, null=True, verbose_name="e-mail"
                    ),
                ),
                (
                    "phone",
                    phonenumber_field.modelfields.PhoneNumberField(
                        blank=True, db_index=True, max_length=128, null=True, region=None
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Untick to archive: an archived client is sent nothing.",
                        verbose_name="active",
                    ),
                ),
                ("created_at", models.DateTimeField(blank=True, editable=False, verbose_name="created")),
                ("erased_at", models.DateTimeField(editable=False, null=True, verbose_name="erased")),
                ("history_id", models.AutoField(primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.CharField(max_length=100, null=True)),
                (
                    "history_type",
                    models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1),
                ),
            ],
            options={
                "verbose_name": "historical client",
                "verbose_name_plural": "historical clients",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalNotification",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                (
                    "subject",
                    models.CharField(help_text="The e-mail's subject, and its name for staff.", max_length=200),
                ),
                ("email_body", models.TextField(blank=True, verbose_name="e-mail text")),
                ("sms_body", models.TextField(blank=True, verbose_name="SMS text")),
                ("created_at", models.DateTimeField(blank=True, db_index=True, editable=False, verbose_name="created")),
                ("history_id", models.AutoField(primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.CharField(max_length=100, null=True)),
                (
                    "history_type",
                    models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1),
                ),
            ],
            options={
                "verbose_name": "historical notification",
                "verbose_name_plural": "historical notifications",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Profile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "phone",
                    phonenumber_field.modelfields.PhoneNumberField(blank=True, max_length=128, null=True, region=None),
                ),
                ("time_zone", models.CharField(blank=True, default="", max_length=60)),
            ],
        ),
        migrations.AlterModelOptions(
            name="broadcast",
            options={
                "permissions": [
                    ("send_broadcast", "Can send a notification to its audience"),
                    ("control_broadcast", "Can pause, resume, cancel and retry broadcasts"),
                    ("approve_broadcast", "Can approve what somebody else wants to send"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="client",
            options={
                "permissions": [
                    ("import_client", "Can import clients from a file"),
                    ("export_client", "Can export clients, with addresses and consent"),
                    ("erase_client", "Can erase a client's personal data"),
                    ("resubscribe_client", "Can subscribe clients again who had opted out, with a reason"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "permissions": [
                    ("resolve_delivery", "Can mark deliveries as sent and send them again"),
                    ("export_delivery", "Can export deliveries, with addresses"),
                ],
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.RemoveConstraint(
            model_name="client",
            name="client_has_an_address",
        ),
        migrations.AddField(
            model_name="broadcast",
            name="approved_at",
            field=models.DateTimeField(null=True, verbose_name="approved"),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="approved_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="ended_because",
            field=models.CharField(blank=True, db_default="", default="", max_length=300),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="expires_at",
            field=models.DateTimeField(null=True, verbose_name="expires"),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="follows",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="followed_by",
                to="notifier.broadcast",
            ),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="needs_approval",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="scheduled_for",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="text_of",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="client",
            name="erased_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="erased"),
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
                ],
                default="RUNNING",
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="client",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("email__isnull", False), ("phone__isnull", False), ("erased_at__isnull", False), _connector="OR"
                ),
                name="client_has_an_address",
                violation_error_message="A client needs an e-mail address or a phone number.",
            ),
        ),
        migrations.AddField(
            model_name="clientimport",
            name="created_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="consentchange",
            name="by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="consentchange",
            name="client",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="consent_changes",
                to="notifier.client",
            ),
        ),
        migrations.AddField(
            model_name="consentchange",
            name="topic",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="notifier.topic"
            ),
        ),
        migrations.AddField(
            model_name="dailytally",
            name="broadcast",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="days",
                to="notifier.broadcast",
            ),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="history_user",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="historicalnotification",
            name="history_user",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="historicalnotification",
            name="topic",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="notifier.topic",
            ),
        ),
        migrations.AddField(
            model_name="profile",
            name="user",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="profile", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddIndex(
            model_name="dailytally",
            index=models.Index(fields=["day"], name="dailytally_day"),
        ),
        migrations.AddConstraint(
            model_name="dailytally",
            constraint=models.UniqueConstraint(fields=("broadcast", "day", "channel", "state"), name="dailytally_once"),
        ),
    ]
