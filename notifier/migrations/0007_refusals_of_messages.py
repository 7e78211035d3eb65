from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifier", "0006_lines_out_of_one_line_fields")]

    operations = [
        migrations.AlterField(
            "providerevent",
            "kind",
            models.CharField(
                max_length=12,
                choices=[
                    ("HARD_BOUNCE", "Bounced for good"),
                    ("SOFT_BOUNCE", "Bounced for now"),
                    ("COMPLAINT", "Reported as spam"),
                    ("UNSUBSCRIBED", "Unsubscribed at the provider"),
                    ("REFUSED", "Refused, whoever it was for"),
                ],
            ),
        ),
    ]
