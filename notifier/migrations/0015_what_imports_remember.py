from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0014_index_of_landlines")]

    operations = [
        migrations.AddField(
            "clientimport",
            "header_digest",
            models.CharField(blank=True, db_default="", default="", editable=False, max_length=16),
        ),
        migrations.AddField("clientimport", "phone_region", models.CharField(blank=True, max_length=2, null=True)),
    ]
