import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

CONTROL = ("control_broadcast", "Can pause, resume and cancel broadcasts")


def rename(apps, schema_editor):
    """Sending again what failed goes with the other decisions about deliveries. Django names only new permissions."""
    permissions = apps.get_model("auth", "Permission").objects.using(schema_editor.connection.alias)
    permissions.filter(content_type__app_label="notifier", codename=CONTROL[0]).update(name=CONTROL[1])


class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL), ("notifier", "0012_consent")]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="text_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AlterModelOptions(
            name="broadcast",
            options={
                "permissions": [
                    ("send_broadcast", "Can send a notification to its audience"),
                    CONTROL,
                    ("approve_broadcast", "Can approve what somebody else wants to send"),
                    (
                        "send_critical",
                        "Can mark a broadcast as critical: it ignores sending hours and caps, never consent",
                    ),
                ]
            },
        ),
        migrations.RunPython(rename, migrations.RunPython.noop),
    ]
