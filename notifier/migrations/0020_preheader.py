from django.db import migrations, models

_HELP = (
    "Shown after the subject in the inbox, and not in the e-mail itself. Left empty, most inboxes show the beginning "
    "of the text."
)


class Migration(migrations.Migration):
    # Old processes write none, and send what they send without one.
    dependencies = [("notifier", "0019_rejected_state")]

    operations = [
        migrations.AddField(
            "broadcast", "preheader", models.CharField(blank=True, db_default="", default="", max_length=150)
        ),
        *(
            migrations.AddField(
                model,
                "preheader",
                models.CharField(blank=True, db_default="", default="", help_text=_HELP, max_length=150),
            )
            for model in ("notification", "historicalnotification")
        ),
    ]
