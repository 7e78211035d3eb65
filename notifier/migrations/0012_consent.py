import django.db.models.deletion
from django.apps import apps as installed
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

#: What this migration brings, for the groups that are still there under the names that they came with.
NEW_RIGHTS = {
    "Editors": (
        "lift_suppression",
        "view_suppressionchange",
        "view_providerevent",
        "view_inboundmessage",
        "change_inboundmessage",
    ),
    "Senders": (
        "view_suppressionchange",
        "view_providerevent",
        "view_inboundmessage",
        "change_inboundmessage",
        "view_throttle",
        "change_throttle",
    ),
    "Approvers": ("view_suppressionchange", "view_providerevent", "view_inboundmessage"),
    "Auditors": (
        "view_suppressionchange",
        "view_erasedaddress",
        "view_providerevent",
        "view_inboundmessage",
        "view_throttle",
    ),
}


def give_rights(apps, schema_editor):
    using = schema_editor.connection.alias
    # Django makes permissions after the last migration, which is too late here.
    create_permissions(installed.get_app_config("notifier"), verbosity=0, using=using, apps=apps)
    permissions = apps.get_model("auth", "Permission").objects.using(using).filter(content_type__app_label="notifier")
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=NEW_RIGHTS):
        group.permissions.add(*permissions.filter(codename__in=NEW_RIGHTS[group.name]))


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0011_names_without_address"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ErasedAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], max_length=10)),
                ("digest", models.CharField(max_length=80)),
            ],
            options={
                "verbose_name_plural": "erased addresses",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="InboundMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "channel",
                    models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], default="sms", max_length=10),
                ),
                ("provider", models.CharField(max_length=40)),
                ("provider_id", models.CharField(max_length=100, verbose_name="provider's id")),
                ("sender", models.CharField(max_length=254)),
                ("text", models.TextField(blank=True)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("STOPPED", "Stopped"),
                            ("STARTED", "Started again"),
                            ("HELPED", "Answered with help"),
                            ("KEPT", "Kept for staff"),
                        ],
                        max_length=10,
                    ),
                ),
                ("received_at", models.DateTimeField(verbose_name="received")),
                ("read_at", models.DateTimeField(null=True, verbose_name="read")),
            ],
            options={
                "default_permissions": ("view", "change"),
            },
        ),
        migrations.CreateModel(
            name="ProviderEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "channel",
                    models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], default="email", max_length=10),
                ),
                ("provider", models.CharField(max_length=40)),
                ("event_id", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("HARD_BOUNCE", "Bounced for good"),
                            ("SOFT_BOUNCE", "Bounced for now"),
                            ("COMPLAINT", "Reported as spam"),
                            ("UNSUBSCRIBED", "Unsubscribed at the provider"),
                        ],
                        max_length=12,
                    ),
                ),
                ("address", models.CharField(max_length=254)),
                ("delivery_id", models.BigIntegerField(null=True)),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("at", models.DateTimeField()),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="SoftBounces",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "channel",
                    models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], default="email", max_length=10),
                ),
                ("address", models.CharField(max_length=254)),
                ("in_a_row", models.PositiveIntegerField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "soft bounces",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SuppressionChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], max_length=10)),
                ("address", models.CharField(max_length=254)),
                (
                    "action",
                    models.CharField(choices=[("SUPPRESSED", "Suppressed"), ("LIFTED", "Lifted")], max_length=10),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("STAFF", "Staff"),
                            ("BOUNCE", "Bounce"),
                            ("COMPLAINT", "Complaint"),
                            ("CLIENT", "The client’s own word"),
                            ("ERASED", "Erased"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=300)),
                ("at", models.DateTimeField()),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Throttle",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], max_length=10)),
                ("provider", models.CharField(max_length=100)),
                ("rate", models.FloatField(blank=True, null=True, verbose_name="messages a second")),
                ("tokens", models.FloatField(db_default=0, default=0)),
                ("filled_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": ("view", "change"),
            },
        ),
        migrations.AlterModelOptions(
            name="broadcast",
            options={
                "permissions": [
                    ("send_broadcast", "Can send a notification to its audience"),
                    ("control_broadcast", "Can pause, resume, cancel and retry broadcasts"),
                    ("approve_broadcast", "Can approve what somebody else wants to send"),
                    (
                        "send_critical",
                        "Can mark a broadcast as critical: it ignores sending hours and caps, never consent",
                    ),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="suppression",
            options={
                "permissions": [
                    ("lift_suppression", "Can lift suppressions that bounces or staff made, with a reason"),
                    ("lift_refusal", "Can lift suppressions that clients asked for, with a reason"),
                ]
            },
        ),
        migrations.RemoveConstraint(
            model_name="suppression",
            name="suppression_phone_e164",
        ),
        migrations.AddField(
            model_name="broadcast",
            name="is_critical",
            field=models.BooleanField(db_default=False, default=False, verbose_name="critical"),
        ),
        migrations.AddField(
            model_name="client",
            name="time_zone",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="consentchange",
            name="ip",
            field=models.GenericIPAddressField(null=True, verbose_name="address"),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="time_zone",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="suppression",
            name="source",
            field=models.CharField(
                choices=[
                    ("STAFF", "Staff"),
                    ("BOUNCE", "Bounce"),
                    ("COMPLAINT", "Complaint"),
                    ("CLIENT", "The client’s own word"),
                    ("ERASED", "Erased"),
                ],
                db_default="STAFF",
                default="STAFF",
                editable=False,
                max_length=10,
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
                    ("ONE_CLICK", "Unsubscribe button of the mail program"),
                    ("PAGE", "Preference page"),
                    ("EARLIER", "Before records began"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("channel", "sms"), _negated=True),
                    ("address__regex", "^\\+[1-9][0-9]{6,14}$"),
                    ("address__startswith", "digest:"),
                    _connector="OR",
                ),
                name="suppression_phone_e164",
            ),
        ),
        migrations.AddField(
            model_name="erasedaddress",
            name="client",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="erased_addresses", to="notifier.client"
            ),
        ),
        migrations.AddField(
            model_name="inboundmessage",
            name="read_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddIndex(
            model_name="providerevent",
            index=models.Index(fields=["address"], name="providerevent_address"),
        ),
        migrations.AddConstraint(
            model_name="providerevent",
            constraint=models.UniqueConstraint(fields=("provider", "event_id"), name="providerevent_once"),
        ),
        migrations.AddConstraint(
            model_name="softbounces",
            constraint=models.UniqueConstraint(fields=("channel", "address"), name="softbounces_address"),
        ),
        migrations.AddField(
            model_name="suppressionchange",
            name="by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="throttle",
            constraint=models.UniqueConstraint(fields=("channel", "provider"), name="throttle_channel_provider"),
        ),
        migrations.AddConstraint(
            model_name="erasedaddress",
            constraint=models.UniqueConstraint(fields=("digest", "channel", "client"), name="erasedaddress_once"),
        ),
        migrations.AddIndex(
            model_name="inboundmessage",
            index=models.Index(fields=["sender"], name="inboundmessage_sender"),
        ),
        migrations.AddIndex(
            model_name="inboundmessage",
            index=models.Index(
                condition=models.Q(("outcome", "KEPT"), ("read_at", None)), fields=["id"], name="inboundmessage_unread"
            ),
        ),
        migrations.AddConstraint(
            model_name="inboundmessage",
            constraint=models.UniqueConstraint(fields=("provider", "provider_id"), name="inboundmessage_once"),
        ),
        migrations.AddIndex(
            model_name="suppressionchange",
            index=models.Index(fields=["address"], name="suppressionchange_address"),
        ),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
    ]
