from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0032_first_and_last_names_of_before")]

    operations = [
        migrations.AddField(
            model_name="profile",
            name="client_columns",
            field=models.JSONField(editable=False, null=True),
        ),
    ]
