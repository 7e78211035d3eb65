import django.db.models.deletion
from django.db import migrations, models

import notifier.messages.lines

_NAME = (
    "Shown at the top of e-mails and on the pages that clients open. Left empty, those pages show the sender’s name."
)
_LOGO = "Shown instead of the name, which becomes its description. Upload it under Pictures first."
_REPLY_LINE = "How clients reach you, at the end of e-mails. For example: “Questions? Reply to this e-mail.”"


class Migration(migrations.Migration):
    # A broadcast that an old process makes has no brand, and goes out without one, as all did.
    dependencies = [("notifier", "0022_rights_to_pictures")]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="brand",
            field=models.JSONField(null=True),
        ),
        migrations.CreateModel(
            name="Brand",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text=_NAME,
                        max_length=80,
                        validators=[notifier.messages.lines.validate_one_line],
                    ),
                ),
                (
                    "colour",
                    models.CharField(
                        db_default="#4a45c4",
                        default="#4a45c4",
                        help_text="Of buttons and links, like #4a45c4.",
                        max_length=7,
                        verbose_name="main colour",
                    ),
                ),
                (
                    "ink",
                    models.CharField(
                        choices=[("#ffffff", "White"), ("#1b1c27", "Dark")],
                        db_default="#ffffff",
                        default="#ffffff",
                        max_length=7,
                        verbose_name="text on it",
                    ),
                ),
                (
                    "postal_address",
                    models.TextField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="At the end of e-mails. The law asks for it in many countries.",
                        max_length=300,
                    ),
                ),
                (
                    "reply_line",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text=_REPLY_LINE,
                        max_length=200,
                        validators=[notifier.messages.lines.validate_one_line],
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "logo",
                    models.ForeignKey(
                        blank=True,
                        help_text=_LOGO,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="notifier.picture",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "brand",
                "default_permissions": ("view", "change"),
                "constraints": [models.CheckConstraint(condition=models.Q(("pk", 1)), name="brand_is_one_row")],
            },
        ),
    ]
