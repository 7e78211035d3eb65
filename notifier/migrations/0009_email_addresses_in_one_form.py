"""E-mail addresses from before there was one form of them, put into it. It may be stopped, and run again.

What is in the way is told on the screen by the clients' ids, and left as it is: two clients whose addresses are one
mailbox. Nothing more is sent to the second of them, whose spelling is suppressed: see `REASON`.
"""

from django.db import migrations, transaction
from django.db.models import CharField
from django.db.models.functions import Cast
from django.utils import timezone

# Not a service: the field of these models asks it, too, so it can't mean something else here.
from notifier.addresses import emails

#: Without any of these an address is in its form already.
ODD = r'[^ -~]|"|\[|[xX][nN]--'
BATCH = 1_000
EMAIL = "email"
#: Sources of suppressions that only the client may lift: they win over others.
CLIENT_REQUESTED = ("CLIENT", "COMPLAINT", "ERASED")
REASON = "the same mailbox as another client’s, in another spelling"


def odd_rows(model, field, **which):
    """(id, address) of each row whose address may be written otherwise."""
    last = 0
    text = Cast(field, CharField(max_length=254))
    found = model.objects.filter(**{f"{field}__regex": ODD}, **which).annotate(text=text).order_by("pk")
    while rows := list(found.filter(pk__gt=last).values_list("pk", "text")[:BATCH]):
        yield from rows
        last = rows[-1][0]


def as_stored(model, field, text):
    """Rows with exactly this text: a client's own field would look for its one form."""
    return model.objects.annotate(text=Cast(field, CharField(max_length=254))).filter(text=text)


def move_suppressions(apps, schema_editor):
    suppressions = apps.get_model("notifier", "Suppression")
    for pk, address in odd_rows(suppressions, "address", channel=EMAIL):
        one = emails.repaired(address)
        with transaction.atomic(using=schema_editor.connection.alias):
            row = suppressions.objects.select_for_update().filter(pk=pk, address=address).first()
            if one == address or row is None or row.reason == REASON:
                continue
            other = suppressions.objects.select_for_update().filter(channel=EMAIL, address=one).first()
            if other is None:
                suppressions.objects.filter(pk=pk).update(address=one)
                continue
            if row.source in CLIENT_REQUESTED and other.source not in CLIENT_REQUESTED:
                suppressions.objects.filter(pk=other.pk).update(source=row.source, reason=row.reason)
            row.delete()


def move_evidence(apps, schema_editor):
    changes, events = apps.get_model("notifier", "SuppressionChange"), apps.get_model("notifier", "ProviderEvent")
    for model, rows in ((changes, odd_rows(changes, "address", channel=EMAIL)), (events, odd_rows(events, "address"))):
        for pk, address in rows:
            if (one := emails.repaired(address)) != address:
                kept = {"reason": REASON} if model is changes else {"channel": "sms"}
                model.objects.filter(pk=pk, address=address).exclude(**kept).update(address=one)


def move_soft_bounces(apps, schema_editor):
    bounces = apps.get_model("notifier", "SoftBounces")
    for pk, address in odd_rows(bounces, "address", channel=EMAIL):
        one = emails.repaired(address)
        with transaction.atomic(using=schema_editor.connection.alias):
            row = bounces.objects.select_for_update().filter(pk=pk, address=address).first()
            if one == address or row is None:
                continue
            other = bounces.objects.select_for_update().filter(channel=EMAIL, address=one).first()
            if other is None:
                bounces.objects.filter(pk=pk).update(address=one)
                continue
            most, last = max(other.in_a_row, row.in_a_row), max(other.last_at, row.last_at)
            bounces.objects.filter(pk=other.pk).update(in_a_row=most, last_at=last)
            row.delete()


def move_clients(apps, schema_editor):
    clients, history = apps.get_model("notifier", "Client"), apps.get_model("notifier", "HistoricalClient")
    for pk, address in odd_rows(clients, "email"):
        one = emails.repaired(address)
        try:
            emails.read(one)
        except ValueError:
            print(f"\n  Client {pk}: mail can’t go to this e-mail address. Correct it.", end="")
            continue
        if one == address:
            continue
        with transaction.atomic(using=schema_editor.connection.alias):
            other = clients.objects.select_for_update().filter(email=one).exclude(pk=pk).first()
            if other is None:
                as_stored(clients, "email", address).filter(pk=pk).update(email=one)
            else:
                keep_silent(apps, address)
                print(
                    f"\n  Client {pk} and client {other.pk} have one e-mail address, in two spellings. Nothing is sent to "
                    f"that of client {pk}: put together what is known of them, and archive one.",
                    end="",
                )
    for pk, address in odd_rows(history, "email"):
        if (one := emails.repaired(address)) != address:
            history.objects.filter(pk=pk).update(email=one)


def keep_silent(apps, address):
    suppressions, changes = apps.get_model("notifier", "Suppression"), apps.get_model("notifier", "SuppressionChange")
    _, is_new = suppressions.objects.get_or_create(
        channel=EMAIL, address=address, defaults={"source": "STAFF", "reason": REASON}
    )
    if is_new:
        changes.objects.create(
            channel=EMAIL, address=address, action="SUPPRESSED", source="STAFF", reason=REASON, at=timezone.now()
        )


def move_open_deliveries(apps, schema_editor):
    """Claims compare a delivery's address with those that are suppressed, letter by letter."""
    deliveries, clients = apps.get_model("notifier", "Delivery"), apps.get_model("notifier", "Client")
    for pk, address in odd_rows(deliveries, "address", channel=EMAIL, due_at__isnull=False):
        one = emails.repaired(address)
        row = deliveries.objects.filter(pk=pk).values("client_id").first()
        if one != address and row and as_stored(clients, "email", one).filter(pk=row["client_id"]).exists():
            deliveries.objects.filter(pk=pk, address=address).update(address=one)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifier", "0008_code_of_the_installation")]

    # Suppressions first: no client may take a form that is not silent yet.
    operations = [
        migrations.RunPython(step, migrations.RunPython.noop)
        for step in (move_suppressions, move_evidence, move_soft_bounces, move_clients, move_open_deliveries)
    ]
