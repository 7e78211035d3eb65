import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_OF_ONE_THAT_IS_THERE = models.Q(("notification__isnull", False))
_OF_A_NEW_ONE = models.Q(("notification__isnull", True))


class Migration(migrations.Migration):
    # Without constraints in the database on the rows that it names: old processes delete those, and know nothing of
    # this table.
    dependencies = [
        ("notifier", "0024_rights_to_the_brand"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "UnsavedText",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("topic", models.CharField(max_length=20)),
                ("subject", models.TextField()),
                ("preheader", models.TextField()),
                ("email_body", models.TextField()),
                ("sms_body", models.TextField()),
                ("seen", models.TextField()),
                ("kept_at", models.DateTimeField()),
                (
                    "notification",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="notifier.notification",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        condition=_OF_ONE_THAT_IS_THERE,
                        fields=("user", "notification"),
                        name="unsaved_text_of_a_notification",
                    ),
                    models.UniqueConstraint(
                        condition=_OF_A_NEW_ONE, fields=("user",), name="unsaved_text_of_a_new_one"
                    ),
                ],
            },
        ),
    ]
