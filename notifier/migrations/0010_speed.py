from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("notifier", "0009_writing")]

    operations = [
        migrations.AddIndex(
            model_name="client",
            index=models.Index(name="client_archived_name", fields=["name"], condition=Q(is_active=False)),
        ),
    ]
