import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    # An edit by old processes changes `updated_at`, and makes the notification a draft again all the same.
    dependencies = [
        ("notifier", "0016_undo_until"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="ready_of",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="notification",
            name="ready_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="ready since"),
        ),
        migrations.AddField(
            model_name="notification",
            name="ready_by",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
