from django.db import migrations, models
from django.db.models.functions import Length


class Migration(migrations.Migration):
    dependencies = [("notifier", "0008_groups")]

    operations = [
        migrations.AddIndex(model_name="client", index=models.Index(Length("name").desc(), name="client_name_length")),
    ]
