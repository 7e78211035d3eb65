from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0028_rights_to_fields_and_tags")]

    operations = [
        migrations.AddField(
            model_name="profile",
            name="client_columns",
            field=models.JSONField(editable=False, null=True),
        ),
    ]
