"""Beside each client's number, whether it is a landline's. It may be stopped, and run again.

Old processes insert clients without it, and change numbers without looking at it: those numbers count as unknown then.
"""

import phonenumbers
from django.db import migrations, models, transaction
from django.db.models.functions import Right
from phonenumbers import PhoneNumberType

BATCH = 1_000
DIGITS = 4


def tell_landlines(apps, schema_editor):
    clients = apps.get_model("notifier", "Client").objects.using(schema_editor.connection.alias)
    last = 0
    while True:
        with transaction.atomic(using=schema_editor.connection.alias):
            # Locked, so that no number changes between the look at it and the write.
            found = clients.select_for_update().filter(pk__gt=last, landline_ending=None).exclude(phone=None)
            rows = list(found.order_by("pk").values_list("pk", "phone")[:BATCH])
            if not rows:
                return
            landlines = [pk for pk, phone in rows if phonenumbers.number_type(phone) == PhoneNumberType.FIXED_LINE]
            clients.filter(pk__in=landlines).update(landline_ending=Right("phone", DIGITS))
        last = rows[-1][0]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifier", "0012_plain_labels")]

    operations = [
        migrations.AddField("client", "landline_ending", models.CharField(editable=False, max_length=4, null=True)),
        migrations.RunPython(tell_landlines, migrations.RunPython.noop),
    ]
