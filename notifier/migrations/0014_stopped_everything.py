from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0013_text_by")]

    operations = [
        migrations.AddField(
            model_name="client",
            name="stopped_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="stopped everything"),
        ),
    ]
