from django.db import migrations, models


class Migration(migrations.Migration):
    # What was just sent is SCHEDULED meanwhile, which old dispatchers start at its time, and old pages cancel.
    dependencies = [("notifier", "0015_what_imports_remember")]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="undo_until",
            field=models.DateTimeField(null=True),
        ),
    ]
