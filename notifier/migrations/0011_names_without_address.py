from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0010_speed")]

    operations = [
        migrations.AddIndex(
            model_name="client",
            index=models.Index(name=f"client_no_{field}_name", fields=["name"], condition=models.Q(**{field: None})),
        )
        for field in ("email", "phone")
    ]
