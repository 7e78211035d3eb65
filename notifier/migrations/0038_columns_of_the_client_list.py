from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0037_rights_to_audiences")]

    operations = [
        migrations.AddField(
            model_name="profile",
            name="client_columns",
            field=models.JSONField(editable=False, null=True),
        ),
    ]
