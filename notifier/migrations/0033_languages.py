"""The language in which a client is written to. Nullable, so that SQLite adds the column without making the table anew,
and old processes insert without it.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0032_first_and_last_names_of_before")]

    operations = [
        migrations.AddField("client", "language", models.CharField(blank=True, max_length=12, null=True)),
        migrations.AddField("historicalclient", "language", models.CharField(blank=True, max_length=12, null=True)),
    ]
