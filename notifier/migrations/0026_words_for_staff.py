from django.db import migrations, models

from notifier.messages.lines import validate_one_line

_NAME = (
    "Shown at the top of e-mails and on the pages that clients open. If you leave it empty, those pages show the "
    "sender’s name."
)
_REPLY_LINE = "How clients can reach you, at the end of e-mails. For example: “Questions? Reply to this e-mail.”"
_PREHEADER = (
    "Shown after the subject in the inbox, and not in the e-mail itself. If you leave it empty, most inboxes show the "
    "beginning of the text."
)


def _preheader() -> "models.CharField[str, str]":
    return models.CharField(blank=True, db_default="", default="", help_text=_PREHEADER, max_length=150)


class Migration(migrations.Migration):
    # What the forms say; nothing changes in the database.
    dependencies = [("notifier", "0025_unsaved_texts")]

    operations = [
        migrations.AlterField(
            "brand",
            "colour",
            models.CharField(
                db_default="#4a45c4",
                default="#4a45c4",
                help_text="For buttons and links, such as #4a45c4.",
                max_length=7,
                verbose_name="main colour",
            ),
        ),
        migrations.AlterField(
            "brand",
            "ink",
            models.CharField(
                choices=[("#ffffff", "White"), ("#1b1c27", "Dark")],
                db_default="#ffffff",
                default="#ffffff",
                max_length=7,
                verbose_name="text on buttons",
            ),
        ),
        migrations.AlterField(
            "brand",
            "name",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text=_NAME,
                max_length=80,
                validators=[validate_one_line],
            ),
        ),
        migrations.AlterField(
            "brand",
            "postal_address",
            models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="Shown at the end of e-mails. Many countries require it by law.",
                max_length=300,
            ),
        ),
        migrations.AlterField(
            "brand",
            "reply_line",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text=_REPLY_LINE,
                max_length=200,
                validators=[validate_one_line],
            ),
        ),
        migrations.AlterField("historicalnotification", "preheader", _preheader()),
        migrations.AlterField("notification", "preheader", _preheader()),
    ]
