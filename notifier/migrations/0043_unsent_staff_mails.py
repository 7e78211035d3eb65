from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0042_unsaved_text_of_each_form")]

    operations = [
        migrations.AddField("staffmail", "failed_at", models.DateTimeField(null=True)),
        migrations.AddField("staffmail", "error", models.CharField(db_default="", default="", max_length=80)),
    ]
