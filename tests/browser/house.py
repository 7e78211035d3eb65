"""A back office with a row of everything, and the addresses of all its pages: for what has to look at each of them."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone

from notifier.admin.deliveries import results
from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.clients import erasure
from notifier.clients.imports import uploads
from notifier.consent import consents, provider_events, suppressions
from notifier.consent.provider_events import Event, Kind
from notifier.consent.suppressions import Evidence, Source
from notifier.delivery import tallies
from notifier.models import (
    Channel,
    Client,
    ClientCounts,
    ClientImport,
    ConsentChange,
    DailyStats,
    Notification,
    Process,
    Profile,
    QueuedTicket,
    Resolution,
    ResolvedDelivery,
    Suppression,
    Throttle,
)
from tests.factories import (
    a_broadcast,
    a_client,
    a_delivery,
    a_notification,
    a_topic,
    a_user,
    an_answer,
    an_open_breaker,
)

#: One word, so that no line may break in it but where the style says so.
LONG = "Rindfleischetikettierung" * 5
#: A row to add, one to change, and two that are refused.
FILE = f"Name;E-Mail;{LONG};Wants\n{LONG};new@example.com;1;both\nEve;out@example.com;;both\nBob;{LONG};;sms\n;;;\n"


@dataclass(frozen=True)
class House:
    """Rows by name. That of a model's own pages is its admin's in addresses, such as `notifier_client`."""

    rows: dict[str, Model] = field(default_factory=dict)

    def pk(self, name: str) -> Any:
        return self.rows[f"notifier_{name}"].pk


def fill_the_house(staff: User) -> House:
    """With texts as long as they may get."""
    client, notification = (
        _people(staff),
        a_notification(subject=LONG, email_body=f"{LONG} {{{{ name }}}}", sms_body=LONG),
    )
    tally = {"audience": 3, "rate": 2.0, "counts": {"email": {"SENT": 1, "FAILED": 1}, "sms": {"PENDING": 1}}}
    now = timezone.now()
    broadcast = a_broadcast(notification=notification, created_by=staff, tally=tally, tallied_at=now, audience=3)
    delivery = a_delivery(broadcast=broadcast, client=client, state="UNKNOWN", detail=LONG)
    resolution = Resolution.objects.create(action="SENT_AGAIN", by=staff, at=now, why=LONG, number=1)
    ResolvedDelivery.objects.create(
        resolution=resolution, delivery=delivery, state_before="UNKNOWN", detail_before=LONG
    )
    suppression = _suppression(staff)
    answer = an_answer(text=LONG, sender=str(client.phone))
    an_answer(text="", sender="ACME", read_at=now, read_by=staff)
    named = [client, notification, notification.topic, broadcast, delivery, resolution, suppression, answer]
    rows: list[Model] = [*named, staff, Group.objects.create(name=LONG), *_machinery(), *_log_ins()]
    house = House({f"{row._meta.app_label}_{row._meta.model_name}": row for row in rows})
    others = _other_broadcasts(notification, client, staff) | _files(staff) | _spare()
    house.rows.update({f"notifier_{name}": row for name, row in others.items()})
    return house


def _suppression(staff: User) -> Suppression:
    """One that was lifted and came back, with what the provider told."""
    address = f"{'x' * 200}@example.com"
    evidence = Evidence(Source.STAFF, LONG, by=staff)
    suppressions.suppress(channel=Channel.EMAIL, address=address, evidence=evidence, now=timezone.now())
    suppressions.lift(channel=Channel.EMAIL, address=address, evidence=evidence, now=timezone.now())
    event = Event("Postmark", "1", Kind.HARD_BOUNCE, address, timezone.now(), detail=LONG)
    provider_events.record_event(event, timezone.now())
    return Suppression.objects.get(address=address)


def _people(staff: User) -> Client:
    """One who agreed and withdrew, one who opted out, one who is archived, and one who was erased."""
    Profile.objects.update_or_create(user=staff, defaults={"phone": "+12025550123", "time_zone": "Europe/Vienna"})
    client = a_client(name=LONG, listings="both")
    leaver = a_client(name="Eve", email="out@example.com")
    origin = consents.Origin(ConsentChange.Source.STAFF, by=staff, detail=LONG)
    for wish in (False, True, False):
        for one in (client, leaver):
            wants = {Channel.EMAIL: wish}
            consents.change(client=one, topic=a_topic(), wants=wants, origin=origin, now=timezone.now())
    Suppression.objects.create(channel=Channel.SMS, address=str(client.phone), reason=LONG)
    a_client(name=f"{LONG}, archived", is_active=False)
    erasure.erase(client_id=a_client().pk, by=staff, why=LONG[:90], now=timezone.now())
    return client


def _machinery() -> list[Model]:
    now = timezone.now()
    an_open_breaker(now=now, channel=Channel.SMS, detail=LONG)
    times = {"started_at": now, "last_seen_at": now}
    words = {"host": LONG, "detail": LONG, "state": "WAITING"}
    worker = Process.objects.create(kind="DISPATCHER", pid=1, depths={"dead": 12}, **times, **words)
    throttle = Throttle.objects.create(channel=Channel.SMS, provider="x" * 100, rate=0.25, filled_at=now)
    return [worker, throttle, QueuedTicket.objects.create(channel=Channel.SMS, body=LONG.encode(), available_at=now)]


def _log_ins() -> list[Model]:
    origin = {"ip_address": "2001:db8:85a3:8d3:1319:8a2e:370:7348", "user_agent": LONG, "username": LONG}
    return [
        AccessAttempt.objects.create(**origin, get_data="", post_data="", failures_since_start=9),
        AccessLog.objects.create(**origin),
    ]


def _other_broadcasts(notification: Notification, client: Client, staff: User) -> dict[str, Model]:
    """One in each state, beside the one that runs; and what the overview has counted."""
    now, other = timezone.now(), a_user(username="x" * 150)
    later: dict[str, Any] = {"notification": notification, "scheduled_for": now + timedelta(days=1), "started_at": None}
    over: dict[str, Any] = {
        "notification": notification,
        "started_at": now,
        "finished_at": now,
        "cursor": client.pk,
        "audience": 1,
    }
    ended = a_broadcast(state="FINISHED", created_by=staff, **over)
    for channel, state in ((Channel.EMAIL, "FAILED"), (Channel.SMS, "SKIPPED")):
        a_delivery(broadcast=ended, client=client, channel=channel, state=state, detail=LONG)
        DailyStats.objects.create(broadcast=ended, day=now.date(), channel=channel, state=state, number=1_000_000)
    tallies.tally(broadcast_id=ended.pk, now=now)
    consent = {str(notification.topic_id): {"email": 1_234_567, "sms": 7_654_321}}
    counts = {"clients": 9_999_999, "archived": 1, "consents": consent}
    ClientCounts.objects.update_or_create(pk=1, defaults={"counts": counts, "counted_at": now})
    return {
        "scheduled": a_broadcast(state="SCHEDULED", created_by=staff, expires_at=now + timedelta(days=2), **later),
        "waiting": a_broadcast(state="AWAITING_APPROVAL", created_by=other, needs_approval=True, **later),
        "paused": a_broadcast(state="PAUSED", notification=notification, created_by=staff, tallied_at=now),
        "cancelled": a_broadcast(state="CANCELLED", ended_because=LONG, tallied_at=now, **over),
        "ended": ended,
    }


def _files(staff: User) -> dict[str, Model]:
    """A file that waits for its last page, and one that was imported but for two rows of it."""
    now = timezone.now()
    pending, done = (
        uploads.upload(file=io.BytesIO(FILE.encode()), name=f"{LONG}.csv", by=staff, now=now) for _ in range(2)
    )
    for row in (pending, done):
        uploads.set_mapping(pending=row, mapping=row.mapping | {"Wants": "listings.both"})
    done.refresh_from_db()
    uploads.carry_out(pending=done, by=staff, reason="", now=now)
    return {"pending": ClientImport.objects.get(pk=pending.pk), "clientimport": done}


def _spare() -> dict[str, Model]:
    """What nothing refers to, so that it may be deleted."""
    topic = a_topic(slug="spare", name=LONG[:80])
    draft = a_notification(topic=a_topic(slug="drafts"), subject=LONG)
    return {"spare_client": a_client(name=LONG), "spare_topic": topic, "spare_notification": draft}


#: What no browser shows: it is only posted to, sends on, or answers with data or with a piece of a page.
#: And the preview, in which nothing may run, the checks included: they look at the form around it.
NOT_PAGES = {
    *("app_list", "autocomplete", "jsi18n", "logout", "try_again", "view_on_site"),
    *("notifier_clientimport_discard", "notifier_clientimport_failed_rows", "notifier_delivery_export"),
    *("notifier_notification_check", "notifier_notification_duplicate", "notifier_notification_preview"),
    *("notifier_notification_readers", "notifier_notification_test", "notifier_inboundmessage_read"),
    # What the confirm page shows once it is counted.
    "notifier_notification_limits",
    # Consumers make these, and nobody takes them away.
    *("notifier_throttle_add", "notifier_throttle_delete"),
    # In frames of the pages that are looked at. Nothing runs in them, not even what would look: by itself it hangs.
    *("notifier_notification_email_preview", "notifier_broadcast_email_preview"),
    # Where the record of an import, or the broadcast's own page, is looked at already.
    *("notifier_clientimport_history", "notifier_broadcast_change"),
}


def _one(name: str, row: str, **query: Any) -> Callable[[House], list[str]]:
    """The page of that name, of one row of the house."""
    return lambda house: [reverse(f"admin:{name}", args=[house.rows[row].pk], query=query or None)]


def _plain(name: str) -> Callable[[House], list[str]]:
    return lambda house: [reverse(f"admin:{name}")]


def _progress(house: House) -> list[str]:
    names = ("broadcast", "scheduled", "waiting", "paused", "cancelled", "ended")
    pages = [reverse("admin:notifier_broadcast_progress", args=[house.pk(name)]) for name in names]
    return [*pages, f"{pages[0]}?wall=1", f"{pages[-1]}?wall=1"]


def _two_clients(house: House) -> list[Any]:
    """One as they mostly are, and the one who was erased."""
    return [house.pk("client"), Client.objects.exclude(erased_at=None).get().pk]


def _whys(house: House) -> list[str]:
    queries: list[dict[str, Any]] = [{}, {"broadcast": house.pk("ended")}, {"q": f"{LONG}zzz"}]
    args = [house.pk("client")]
    return [reverse("admin:notifier_client_why", args=args, query=query or None) for query in queries]


def _version(house: House) -> list[str]:
    notification = house.rows["notifier_notification"]
    version = Notification.history.filter(id=notification.pk).latest()
    return [reverse("admin:notifier_notification_simple_history", args=[notification.pk, version.pk])]


#: The pages beside those that every model has: their name, and how they are reached, in each shape that they have.
OWN_PAGES: dict[str, Callable[[House], list[str]]] = {
    "index": _plain("index"),
    "login": lambda house: [],  # looked at before anybody has logged in
    "account": _plain("account"),
    "password_change": _plain("password_change"),
    "password_change_done": _plain("password_change_done"),
    "auth_user_password_change": _one("auth_user_password_change", "auth_user"),
    "axes_accessattempt_delete": _one("axes_accessattempt_delete", "axes_accessattempt"),
    "notifier_broadcast_progress": _progress,
    "notifier_broadcast_approve": _one("notifier_broadcast_approve", "notifier_waiting"),
    "notifier_broadcast_follow": _one("notifier_broadcast_follow", "notifier_ended"),
    "notifier_broadcast_schedule": _one("notifier_broadcast_schedule", "notifier_scheduled"),
    "notifier_broadcast_order": lambda house: [
        reverse("admin:notifier_broadcast_order", args=[house.pk(row), order])
        for row, order in (("broadcast", "cancel"), ("broadcast", "retry"), ("scheduled", "start-now"))
    ],
    "notifier_client_change": lambda house: [
        reverse("admin:notifier_client_change", args=[pk]) for pk in _two_clients(house)
    ],
    "notifier_client_changelist": lambda house: [
        reverse("admin:notifier_client_changelist"),
        reverse("admin:notifier_client_changelist", query={"state": "active", "q": "zzz"}),
    ],
    "notifier_client_decide": lambda house: [
        reverse("admin:notifier_client_decide", args=[name], query={"ids": ",".join(map(str, _two_clients(house)))})
        for name in ("archive", "restore", "export", "erase")
    ],
    "notifier_client_delete": _one("notifier_client_delete", "notifier_spare_client"),
    "notifier_client_export": lambda house: [reverse("admin:notifier_client_export", query={"list": ""})],
    "notifier_client_why": _whys,
    "notifier_clientimport_upload": _plain("notifier_clientimport_upload"),
    "notifier_clientimport_columns": _one("notifier_clientimport_columns", "notifier_pending"),
    "notifier_clientimport_preview": _one("notifier_clientimport_preview", "notifier_pending"),
    "notifier_delivery_changelist": lambda house: [
        reverse("admin:notifier_delivery_changelist"),
        reverse(
            "admin:notifier_delivery_changelist", query={results.OWNER: house.pk("ended"), "state__exact": "FAILED"}
        ),
    ],
    "notifier_delivery_resolve": lambda house: [
        reverse("admin:notifier_delivery_resolve", args=["send-again"], query={"list": ""}),
        reverse("admin:notifier_delivery_resolve", args=["mark-as-sent"], query={"ids": house.pk("delivery")}),
    ],
    "notifier_notification_broadcast": lambda house: [
        reverse("admin:notifier_notification_broadcast", query={"ids": house.pk("notification")})
    ],
    "notifier_notification_delete": _one("notifier_notification_delete", "notifier_spare_notification"),
    "notifier_notification_simple_history": _version,
    "notifier_suppression_delete": lambda house: [],  # nobody may: it is lifted
    "notifier_suppression_lift": lambda house: [
        reverse("admin:notifier_suppression_lift", query={"ids": house.pk("suppression")})
    ],
    "notifier_topic_delete": _one("notifier_topic_delete", "notifier_spare_topic"),
}


def url_names(patterns: Iterable[URLPattern | URLResolver] | None = None) -> Iterator[str]:
    """The name of every address of the back office."""
    for pattern in admin.site.get_urls() if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from url_names(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name


def addresses(house: House) -> list[str]:
    """Every page there is. Fails for one that it doesn't know how to reach: add it to OWN_PAGES, or to NOT_PAGES."""
    found: dict[str, None] = {}
    for name in sorted(set(url_names()) - NOT_PAGES):
        own = OWN_PAGES.get(name)
        found |= dict.fromkeys(own(house) if own else _pages_of_a_model(house, name))
    return list(found)


def _pages_of_a_model(house: House, name: str) -> list[str]:
    model, _, kind = name.rpartition("_")
    is_known = model in house.rows and kind in ("add", "change", "changelist", "delete", "history")
    assert is_known, f"No row of {model!r} is in the house, or the page {name!r} is not in OWN_PAGES."
    read_only = isinstance(admin.site.get_model_admin(type(house.rows[model])), ReadOnlyAdmin)
    if kind in ("add", "delete") and read_only:
        return []
    return [reverse(f"admin:{name}", args=[] if kind in ("add", "changelist") else [house.rows[model].pk])]
