from django.db import migrations, models

import notifier.messages.lines


class Migration(migrations.Migration):
    """Labels alone, for the screens: no column changes."""

    dependencies = [
        ("notifier", "0011_count_the_probes_issued"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="broadcast",
            options={
                "permissions": [
                    ("send_broadcast", "Can send a notification to its audience"),
                    ("control_broadcast", "Can pause, resume and cancel broadcasts"),
                    ("approve_broadcast", "Can approve what someone else wants to send"),
                    (
                        "send_critical",
                        "Can mark a broadcast as critical: it ignores quiet hours and frequency caps, never consent",
                    ),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="client",
            options={
                "permissions": [
                    ("import_client", "Can import clients from a file"),
                    ("export_client", "Can export clients, with addresses and consent"),
                    ("erase_client", "Can erase a client’s personal data"),
                    ("resubscribe_client", "Can subscribe clients again who had opted out, with a reason"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="clientimport",
            options={"default_permissions": ("view",), "verbose_name": "import"},
        ),
        migrations.AlterModelOptions(
            name="inboundmessage",
            options={
                "default_permissions": ("view", "change"),
                "verbose_name": "SMS reply",
                "verbose_name_plural": "SMS replies",
            },
        ),
        migrations.AlterModelOptions(
            name="resolution",
            options={"verbose_name": "manual decision"},
        ),
        migrations.AlterModelOptions(
            name="throttle",
            options={"default_permissions": ("view", "change"), "verbose_name": "sending speed"},
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
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="client",
            name="stopped_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="stopped all messages"),
        ),
        migrations.AlterField(
            model_name="clientimport",
            name="state",
            field=models.CharField(
                choices=[("UPLOADED", "Being prepared"), ("DONE", "Imported"), ("DISCARDED", "Discarded")],
                default="UPLOADED",
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="consentchange",
            name="source",
            field=models.CharField(
                choices=[
                    ("STAFF", "Staff"),
                    ("IMPORT", "Import"),
                    ("COMMAND", "Command line"),
                    ("LINK", "Link in a message"),
                    ("ONE_CLICK", "Unsubscribe button in the mail program"),
                    ("PAGE", "Preference page"),
                    ("EARLIER", "Before records began"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="dailystats",
            name="state",
            field=models.CharField(
                choices=[
                    ("PENDING", "Waiting"),
                    ("SENDING", "Sending"),
                    ("RETRYING", "Retrying"),
                    ("SENT", "Sent"),
                    ("FAILED", "Failed"),
                    ("UNKNOWN", "Unknown"),
                    ("SKIPPED", "Skipped"),
                    ("CANCELLED", "Cancelled"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="provider_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=100, verbose_name="provider’s ID"),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="settled_at",
            field=models.DateTimeField(null=True, verbose_name="processed"),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.CharField(
                choices=[
                    ("PENDING", "Waiting"),
                    ("SENDING", "Sending"),
                    ("RETRYING", "Retrying"),
                    ("SENT", "Sent"),
                    ("FAILED", "Failed"),
                    ("UNKNOWN", "Unknown"),
                    ("SKIPPED", "Skipped"),
                    ("CANCELLED", "Cancelled"),
                ],
                db_default="PENDING",
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="historicalnotification",
            name="subject",
            field=models.CharField(
                help_text="The subject of the e-mail. Staff see it as the name of the notification.", max_length=200
            ),
        ),
        migrations.AlterField(
            model_name="inboundmessage",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("STOPPED", "Stopped"),
                    ("STARTED", "Started again"),
                    ("HELPED", "Help sent"),
                    ("KEPT", "For staff to read"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="inboundmessage",
            name="provider_id",
            field=models.CharField(max_length=100, verbose_name="provider’s ID"),
        ),
        migrations.AlterField(
            model_name="notification",
            name="subject",
            field=models.CharField(
                help_text="The subject of the e-mail. Staff see it as the name of the notification.", max_length=200
            ),
        ),
        migrations.AlterField(
            model_name="process",
            name="state",
            field=models.CharField(
                choices=[("IDLE", "Idle"), ("WORKING", "Working"), ("WAITING", "Waiting")],
                default="IDLE",
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="providerevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("HARD_BOUNCE", "Hard bounce"),
                    ("SOFT_BOUNCE", "Soft bounce"),
                    ("COMPLAINT", "Reported as spam"),
                    ("UNSUBSCRIBED", "Unsubscribed at the provider"),
                    ("REFUSED", "Message rejected"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="queuedticket",
            name="dead",
            field=models.BooleanField(default=False, help_text="It could not be read, and was set aside."),
        ),
        migrations.AlterField(
            model_name="resolution",
            name="why",
            field=models.CharField(
                max_length=300, validators=[notifier.messages.lines.validate_one_line], verbose_name="reason"
            ),
        ),
        migrations.AlterField(
            model_name="resolveddelivery",
            name="state_before",
            field=models.CharField(
                choices=[
                    ("PENDING", "Waiting"),
                    ("SENDING", "Sending"),
                    ("RETRYING", "Retrying"),
                    ("SENT", "Sent"),
                    ("FAILED", "Failed"),
                    ("UNKNOWN", "Unknown"),
                    ("SKIPPED", "Skipped"),
                    ("CANCELLED", "Cancelled"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="suppression",
            name="source",
            field=models.CharField(
                choices=[
                    ("STAFF", "Staff"),
                    ("BOUNCE", "Bounce"),
                    ("COMPLAINT", "Complaint"),
                    ("CLIENT", "Client request"),
                    ("ERASED", "Erased"),
                ],
                db_default="STAFF",
                default="STAFF",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="suppressionchange",
            name="source",
            field=models.CharField(
                choices=[
                    ("STAFF", "Staff"),
                    ("BOUNCE", "Bounce"),
                    ("COMPLAINT", "Complaint"),
                    ("CLIENT", "Client request"),
                    ("ERASED", "Erased"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="throttle",
            name="rate",
            field=models.FloatField(blank=True, null=True, verbose_name="messages per second"),
        ),
    ]
