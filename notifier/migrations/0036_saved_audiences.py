import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import notifier.messages.lines


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0035_variants"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="audience_document",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="audience_name",
            field=models.CharField(blank=True, db_default="", default="", max_length=80),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="audience_of",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="audience_text",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AlterField(
            model_name="broadcastchange",
            name="what",
            field=models.CharField(
                choices=[("TEXT", "Text"), ("TIME", "Time"), ("AUDIENCE", "Audience")], max_length=10
            ),
        ),
        migrations.CreateModel(
            name="SavedAudience",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80, validators=[notifier.messages.lines.validate_name])),
                ("folded", models.CharField(editable=False, max_length=250, unique=True)),
                (
                    "description",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="For colleagues: what it is for.",
                        max_length=200,
                        validators=[notifier.messages.lines.validate_one_line],
                    ),
                ),
                ("document", models.JSONField(default=dict, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "audience",
                "permissions": [("use_savedaudience", "Can broadcast to a saved audience")],
            },
        ),
        migrations.AddField(
            model_name="broadcast",
            name="saved_audience",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="broadcasts",
                to="notifier.savedaudience",
            ),
        ),
    ]
