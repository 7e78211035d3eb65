from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0010_record_who_changed_a_broadcast")]

    operations = [
        migrations.AddField(
            model_name="breaker",
            name="issued",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
