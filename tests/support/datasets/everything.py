"""A small back office with a row of everything that a page may be about."""

import io
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from notifier.clients import erasure
from notifier.clients.imports import uploads
from notifier.consent import consents, provider_events, suppressions
from notifier.consent.provider_events import Event, Kind
from notifier.consent.suppressions import Evidence, Source
from notifier.delivery import tallies
from notifier.fields import definitions, values
from notifier.fields.applying import ChangeOrigin
from notifier.messages import signed_links
from notifier.models import (
    Channel,
    Client,
    ClientCounts,
    ClientImport,
    ConsentChange,
    DailyStats,
    Notification,
    Profile,
    ResolvedDelivery,
    Suppression,
    Topic,
)
from notifier.saved_audiences.document import Line
from tests.support.datasets.one_of_each import (
    a_group,
    a_log_in,
    a_resolution,
    a_suppression,
    a_throttle,
    a_ticket,
    a_worker,
    an_attempt,
    an_import,
)
from tests.support.factories import (
    a_brand,
    a_broadcast,
    a_client,
    a_delivery,
    a_field,
    a_notification,
    a_picture,
    a_reply,
    a_saved_audience,
    a_tag,
    a_topic,
    a_user,
    an_open_breaker,
)

#: One word, so that no line may break in it but where the style says so.
LONG = "Rindfleischetikettierung" * 5
#: A file of two, one of whom can't be taken.
CLIENTS = b"name,email\nCleo,cleo@example.com\nBob,bob@\n"
#: A row to add, one to change, and two that are refused.
FILE = f"Name;E-Mail;{LONG};Wants\n{LONG};new@example.com;1;both\nEve;out@example.com;;both\nBob;{LONG};;sms\n;;;\n"
TALLY = {"audience": 3, "rate": 2.0, "counts": {"email": {"SENT": 1, "FAILED": 1}, "sms": {"PENDING": 1}}}


def build(*, staff: User, text: str = "Spring", subject: str = "") -> dict[str, Any]:
    """The keys of its rows by name. `text` stands wherever somebody has written one, but for a `subject` of its own."""
    now = timezone.now()
    client = a_client(name=text, listings="both")
    notification = a_notification(subject="As it was first", email_body=f"{text} {{{{ name }}}}", sms_body=text)
    notification.subject = subject or text
    notification.save()
    rows: dict[str, Any] = {
        "user": staff,
        "client": client,
        "archived": a_client(name=f"{text}, archived", is_active=False),
        "erased": _erased(staff, text, now),
        "topic": notification.topic,
        "notification": notification,
        "version": notification.history.earliest(),
        **_suppressions(text),
        **_broadcasts(notification, client, staff, text, now),
        **_files(staff, now),
        "picture": a_picture(alt=text[:200]),
        "brand": a_brand(
            name=text[:80], postal_address=f"1 High Street\n{text[:100]}", reply_line=text[:200], colour="#0a6b4f"
        ),
        "spare_picture": a_picture(alt=text[:200], size=(640, 1280)),
        "inboundmessage": a_reply(text=text, sender=str(client.phone)),
        **_machinery(text, now),
        **_own_fields(client, staff, text, now),
        # What nothing refers to, so that it may be deleted.
        "spare_client": a_client(name=text),
        "spare_user": a_user(),
        "spare_topic": a_topic(slug="spare", name=text[:80]),
        "spare_notification": a_notification(topic=a_topic(slug="drafts"), subject=subject or text),
    }
    rows |= _deliveries(rows, staff, text, now)
    return {name: row.pk for name, row in rows.items()} | {"long": text}


def _erased(staff: User, text: str, now: datetime) -> Client:
    client = a_client()
    erasure.erase(client_id=client.pk, by=staff, why=text[:90], now=now)
    return client


def _own_fields(client: Client, staff: User, text: str, now: datetime) -> dict[str, Any]:
    """A list of which one option was chosen, a text, and a tag, on the client; and a field and a tag of nobody's."""
    plan = a_field(kind="CHOICE", key="plan", label=f"Plan {text}"[:80], options=["Small", text[:80]], help=text[:200])
    note = a_field(key="note", label=f"Note {text}"[:80], description=text[:200])
    tag = a_tag(text[:60])
    chosen = dict(zip(definitions.of(plan, note), (2, text), strict=True))
    origin = ChangeOrigin(by=staff, reason=text[:100])
    values.set_values(client_id=client.pk, values=chosen, tags={tag: True}, origin=origin, now=now)
    spare = a_field(kind="MONEY", key="balance", label=f"Balance {text}"[:80])
    lines = (Line("field", "one_of", next(iter(definitions.of(plan))).id, (2,)), Line("tag", "has", tag.pk, (), True))
    return {
        "clientfield": plan,
        "spare_clientfield": spare,
        "tag": tag,
        "spare_tag": a_tag("Spare"),
        "savedaudience": a_saved_audience(*lines, name=text[:80]),
        "spare_savedaudience": a_saved_audience(Line("time_zone", "known"), name="Spare"),
    }


def _suppressions(text: str) -> dict[str, Suppression]:
    return {
        "suppression": a_suppression(address=f"{'x' * 200}@example.com", reason=text),
        "refusal": a_suppression(address="stop@example.com", reason="STOP", source=Source.CLIENT),
    }


def _broadcasts(notification: Notification, client: Client, staff: User, text: str, now: datetime) -> dict[str, Any]:
    """One in each state. Whoever asked for the one that waits is somebody else."""
    later: dict[str, Any] = {"scheduled_for": now + timedelta(days=1), "text_of": now, "started_at": None}
    over: dict[str, Any] = {"started_at": now, "finished_at": now, "cursor": client.pk, "audience": 1}
    values: dict[str, dict[str, Any]] = {
        "broadcast": {"created_by": staff, "tally": TALLY, "audience": 3},
        "paused": {"state": "PAUSED", "created_by": staff},
        "scheduled": {"state": "SCHEDULED", "created_by": staff, "expires_at": now + timedelta(days=2), **later},
        "just_sent": {"state": "SCHEDULED", "created_by": staff, **later, "undo_until": later["scheduled_for"]},
        "awaiting": {
            "state": "AWAITING_APPROVAL",
            "created_by": a_user(username="x" * 150),
            "needs_approval": True,
            **later,
        },
        "cancelled": {"state": "CANCELLED", "ended_because": text, **over},
        "finished": {"state": "FINISHED", "created_by": staff, **over},
        "rejected": {"state": "REJECTED", "ended_because": text, "rejected_by": staff, **over, "started_at": None},
    }
    return {name: a_broadcast(notification=notification, tallied_at=now, **fields) for name, fields in values.items()}


def _deliveries(rows: dict[str, Any], staff: User, text: str, now: datetime) -> dict[str, Any]:
    """One of the broadcast that runs, which staff decided about, and three of the one that has ended."""
    client, ended = rows["client"], rows["finished"]
    delivery = a_delivery(broadcast=rows["broadcast"], client=client, state="UNKNOWN", detail=text)
    resolution = a_resolution(action="SENT_AGAIN", by=staff, at=now, why=text, number=1)
    ResolvedDelivery.objects.create(
        resolution=resolution, delivery=delivery, state_before="UNKNOWN", detail_before=text
    )
    a_delivery(broadcast=ended, client=client, channel=Channel.SMS, state="SKIPPED", detail=text)
    return {
        "delivery": delivery,
        "failed": a_delivery(broadcast=ended, client=client, state="FAILED", detail=text),
        "unknown": a_delivery(broadcast=ended, client=rows["archived"], state="UNKNOWN", detail=text),
        "resolution": resolution,
    }


def _files(staff: User, now: datetime) -> dict[str, ClientImport]:
    upload = uploads.upload(file=io.BytesIO(CLIENTS), name="clients.csv", by=staff, now=now)
    return {"upload": upload, "clientimport": an_import(created_by=staff, finished_at=now)}


def _machinery(text: str, now: datetime) -> dict[str, Any]:
    an_open_breaker(now=now, probe_at=now + timedelta(hours=1), detail=text)
    origin = {"ip_address": "2001:db8:85a3:8d3:1319:8a2e:370:7348", "user_agent": text, "username": text}
    return {
        "process": a_worker(host=text, detail=text, state="WAITING", depths={"dead": 12}),
        "throttle": a_throttle(provider=text[:100], rate=0.25),
        "queuedticket": a_ticket(body=text.encode()),
        "group": a_group(name=text),
        "accessattempt": an_attempt(**origin, get_data="", post_data="", failures_since_start=9),
        "accesslog": a_log_in(**origin),
    }


# --- What has happened to it ------------------------------------------------------------------------------------------
def build_with_history(*, staff: User, text: str = LONG, subject: str = "") -> dict[str, Any]:
    """The same, with whatever else the pages show of the past: for those who look, and not only knock."""
    rows = build(staff=staff, text=text, subject=subject)
    now = timezone.now()
    Profile.objects.update_or_create(user=staff, defaults={"phone": "+12025550123", "time_zone": "Europe/Vienna"})
    client = Client.objects.get(pk=rows["client"])
    _wishes(client, staff, text, now)
    suppression = _lifted_and_back(rows["suppression"], staff, text, now)
    _counted(rows, now)
    a_reply(text="", sender="ACME", read_at=now, read_by=staff)
    return rows | {"suppression": suppression.pk} | _imported(staff, text, now)


def _wishes(client: Client, staff: User, text: str, now: datetime) -> None:
    """The client, and one who opted out, have agreed and withdrawn."""
    leaver = a_client(name="Eve", email="out@example.com")
    origin = consents.Origin(ConsentChange.Source.STAFF, by=staff, detail=text)
    for wish in (False, True, False):
        for one in (client, leaver):
            consents.change(client=one, topic=a_topic(), wants={Channel.EMAIL: wish}, origin=origin, now=now)
    a_suppression(channel=Channel.SMS, address=str(client.phone), reason=text)


def _lifted_and_back(pk: int, staff: User, text: str, now: datetime) -> Suppression:
    """As it is now, with what the provider told."""
    address = Suppression.objects.get(pk=pk).address
    suppressions.lift(channel=Channel.EMAIL, address=address, evidence=Evidence(Source.STAFF, text, by=staff), now=now)
    provider_events.record_event(Event("Postmark", "1", Kind.HARD_BOUNCE, address, now, detail=text), now)
    return Suppression.objects.get(address=address)


def _counted(rows: dict[str, Any], now: datetime) -> None:
    """As the dispatcher would have."""
    for channel, state in ((Channel.EMAIL, "FAILED"), (Channel.SMS, "SKIPPED")):
        DailyStats.objects.create(
            broadcast_id=rows["finished"], day=now.date(), channel=channel, state=state, number=1_000_000
        )
    tallies.tally(broadcast_id=rows["finished"], now=now)
    consent = {str(rows["topic"]): {"email": 1_234_567, "sms": 7_654_321}}
    counts = {"clients": 9_999_999, "archived": 1, "consents": consent}
    ClientCounts.objects.update_or_create(pk=1, defaults={"counts": counts, "counted_at": now})


def _imported(staff: User, text: str, now: datetime) -> dict[str, Any]:
    """A file that waits for its last page, and one that was imported but for two rows of it."""
    pending, done = (
        uploads.upload(file=io.BytesIO(FILE.encode()), name=f"{text}.csv", by=staff, now=now) for _ in range(2)
    )
    for row in (pending, done):
        uploads.set_mapping(pending=row, mapping=row.mapping | {"Wants": "listings.both"}, region="")
    done.refresh_from_db()
    uploads.carry_out(pending=done, by=staff, reason="", evidence="signed at the fair", now=now)
    return {"upload": pending.pk, "clientimport": done.pk}


def links_of_clients(*, text: str) -> dict[str, str]:
    """What stands in the addresses of clients who differ in what their pages show."""
    topic, named = a_topic(), a_topic(slug="long", name=text[:80])
    ann = a_client(listings="both", offerings="email")
    odd = a_client(name=text, phone=None, is_active=False, long="both")
    silent = a_client(listings="both")
    for channel, address in ((Channel.EMAIL, silent.email), (Channel.SMS, silent.phone)):
        a_suppression(channel=channel, address=str(address), reason=text, source=Source.CLIENT)
    gone = a_client()
    link_of_nobody = _link(gone.pk, topic)
    erasure.erase(client_id=gone.pk, by=None, why="asked", now=timezone.now())
    return {
        "link": _link(ann.pk, topic),
        "long_link": _link(odd.pk, named),
        "test_link": _link(signed_links.NOBODY, topic),
        "stopped_link": _link(silent.pk, topic),
        "link_of_nobody": link_of_nobody,
    }


def _link(client_id: int, topic: Topic) -> str:
    return signed_links.token(signed_links.Link(client_id, topic.pk, 42))
