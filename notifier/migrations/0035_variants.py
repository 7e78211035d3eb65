"""What a notification says in other languages, and in which language a client was written to.

Old processes insert without these columns and send the notification's own text to everyone, as before. Only the large
table of deliveries gets a nullable one, which is added without making it anew.
"""

from django.db import migrations, models


def variants(**options):
    return models.TextField("in other languages", blank=True, db_default="", default="", **options)


class Migration(migrations.Migration):
    dependencies = [("notifier", "0034_index_of_languages")]

    operations = [
        migrations.AddField("notification", "variants", variants()),
        migrations.AddField("historicalnotification", "variants", variants()),
        migrations.AddField("broadcast", "variants", variants(editable=False)),
        migrations.AddField("unsavedtext", "variants", models.TextField(db_default="", default="")),
        migrations.AddField("delivery", "language", models.CharField(editable=False, max_length=12, null=True)),
    ]
