"""What ends a line, and other control characters, out of names and subjects of before, which stand in mails' headers.

It may be stopped, and run again. What processes of the release before write meanwhile is cleaned where headers are made.
"""

from django.db import migrations, models, transaction

import notifier.messages.lines

BATCH = 1_000
#: Written out, so that both databases read them; no text of PostgreSQL has a NUL.
UNWANTED = "[\x01-\x1f\x7f-\x9f\u2028\u2029]"
#: The fields that are put into headers, with what stands there if nothing is left.
FIELDS = (
    ("Topic", "name", "Topic {pk}"),
    ("Client", "name", "Client {pk}"),
    ("Notification", "subject", "Notification {pk}"),
    ("Broadcast", "subject", "Broadcast {pk}"),
)


def one_line(text):
    return " ".join("".join(" " if is_unwanted(letter) else letter for letter in text).split())


def is_unwanted(letter):
    return letter < " " or "\x7f" <= letter <= "\x9f" or letter in "\u2028\u2029"


def clean(apps, schema_editor):
    for model_name, field, nothing_left in FIELDS:
        model = apps.get_model("notifier", model_name)
        odd, last = model.objects.filter(**{f"{field}__regex": UNWANTED}).order_by("pk"), 0
        while rows := list(odd.filter(pk__gt=last).values_list("pk", field)[:BATCH]):
            with transaction.atomic(using=schema_editor.connection.alias):
                for pk, text in rows:
                    cleaned = free_name(model, field, pk, one_line(text) or nothing_left.format(pk=pk))
                    # Only as it was read: somebody may have written another name meanwhile.
                    model.objects.filter(pk=pk, **{field: text}).update(**{field: cleaned})
            last = rows[-1][0]


def free_name(model, field, pk, name):
    """The name, with a number after it where it must be the only one and another row has it."""
    described = model._meta.get_field(field)
    number, free = 1, name
    while described.unique and model.objects.filter(**{field: free}).exclude(pk=pk).exists():
        number += 1
        free = f"{name[: described.max_length - 8]} ({number})"
    return free


LINE = {"validators": [notifier.messages.lines.validate_one_line]}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifier", "0005_broadcast_fault")]

    operations = [
        migrations.AlterField("broadcast", "subject", models.CharField(max_length=200, **LINE)),
        migrations.AlterField("client", "name", models.CharField(max_length=200, **LINE)),
        migrations.AlterField("clientimport", "file_name", models.CharField("file", max_length=200, **LINE)),
        migrations.AlterField("clientimport", "reason", models.CharField(blank=True, max_length=300, **LINE)),
        migrations.AlterField("historicalclient", "name", models.CharField(max_length=200, **LINE)),
        migrations.AlterField("resolution", "why", models.CharField(max_length=300, **LINE)),
        migrations.AlterField("suppression", "reason", models.CharField(max_length=200, **LINE)),
        migrations.AlterField("topic", "name", models.CharField(max_length=80, unique=True, **LINE)),
        migrations.RunPython(clean, migrations.RunPython.noop),
    ]
