import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import notifier.messages.lines

_ALT = (
    "What the picture shows, in a few words. Clients who can’t see it read this instead. The plain-text version shows "
    "it too."
)


class Migration(migrations.Migration):
    # Old processes know no pictures: in their mails a picture is a link to it, as any image was.
    dependencies = [
        ("notifier", "0020_preheader"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "Picture",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(editable=False, max_length=60, unique=True)),
                (
                    "alt",
                    models.CharField(
                        help_text=_ALT,
                        max_length=200,
                        validators=[notifier.messages.lines.validate_one_line],
                        verbose_name="description",
                    ),
                ),
                ("width", models.PositiveIntegerField(editable=False)),
                ("height", models.PositiveIntegerField(editable=False)),
                ("size_bytes", models.PositiveIntegerField(editable=False, verbose_name="size")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True, verbose_name="uploaded")),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
