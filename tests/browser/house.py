"""A back office with a row of everything, and the addresses of all its pages: for what has to look at each of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone

from notifier.admin.base import ReadOnlyAdmin
from notifier.models import Channel, QueuedTicket, Resolution, ResolvedDelivery, Suppression, Worker
from tests.factories import a_broadcast, a_client, a_delivery, a_notification

#: One word, so that no line may break in it but where the style says so.
LONG = "Rindfleischetikettierung" * 5


@dataclass(frozen=True)
class House:
    """A row of every model, by its admin's name in addresses, such as `notifier_client`."""

    rows: dict[str, Model] = field(default_factory=dict)

    def pk(self, model: str) -> Any:
        return self.rows[f"notifier_{model}"].pk


def fill_the_house(staff: User) -> House:
    """With texts as long as they may get."""
    client = a_client(name=LONG, listings="both")
    notification = a_notification(subject=LONG, email_body=f"{LONG} {{{{ name }}}}", sms_body=LONG)
    tally = {"audience": 3, "rate": 2.0, "counts": {"email": {"SENT": 1, "FAILED": 1}, "sms": {"PENDING": 1}}}
    now = timezone.now()
    broadcast = a_broadcast(notification=notification, created_by=staff, tally=tally, tallied_at=now, audience=3)
    delivery = a_delivery(broadcast=broadcast, client=client, state="UNKNOWN", detail=LONG)
    resolution = Resolution.objects.create(action="SENT_AGAIN", by=staff, at=now, why=LONG, number=1)
    ResolvedDelivery.objects.create(
        resolution=resolution, delivery=delivery, state_before="UNKNOWN", detail_before=LONG
    )
    worker = Worker.objects.create(
        kind=Worker.Kind.DISPATCHER,
        host=LONG,
        pid=1,
        started_at=now,
        last_seen_at=now,
        state="WAITING",
        detail=LONG,
        depths={"dead": 12},
    )
    suppression = Suppression.objects.create(channel=Channel.EMAIL, address=f"{'x' * 200}@example.com", reason=LONG)
    ticket = QueuedTicket.objects.create(channel=Channel.SMS, body=LONG.encode(), available_at=now)
    named = [client, notification, notification.topic, broadcast, delivery, resolution, worker, suppression, ticket]
    rows: list[Model] = [*named, staff, Group.objects.create(name=LONG)]
    return House({f"{row._meta.app_label}_{row._meta.model_name}": row for row in rows})


#: What no browser shows: it is only posted to, sends on, or answers with data.
NOT_PAGES = {"app_list", "autocomplete", "jsi18n", "logout", "try_again", "view_on_site"}
#: The pages beside those that every model has: their name, and how they are reached, in each shape that they have.
OWN_PAGES: dict[str, Callable[[House], list[str]]] = {
    "index": lambda house: [reverse("admin:index")],
    "login": lambda house: [],  # looked at before anybody has logged in
    "password_change": lambda house: [reverse("admin:password_change")],
    "password_change_done": lambda house: [reverse("admin:password_change_done")],
    "auth_user_password_change": lambda house: [
        reverse("admin:auth_user_password_change", args=[house.rows["auth_user"].pk])
    ],
    "notifier_client_changelist": lambda house: [
        reverse("admin:notifier_client_changelist"),
        reverse("admin:notifier_client_changelist", query={"state": "active", "q": "zzz"}),
    ],
    "notifier_broadcast_progress": lambda house: [
        reverse("admin:notifier_broadcast_progress", args=[house.pk("broadcast")])
    ],
    "notifier_broadcast_order": lambda house: [
        reverse("admin:notifier_broadcast_order", args=[house.pk("broadcast"), order])
        for order in ("cancel", "retry-unknown")
    ],
    "notifier_delivery_resolve": lambda house: [
        reverse("admin:notifier_delivery_resolve", args=["send-again"], query={"list": ""}),
        reverse("admin:notifier_delivery_resolve", args=["mark-as-sent"], query={"ids": house.pk("delivery")}),
    ],
    "notifier_notification_broadcast": lambda house: [
        reverse("admin:notifier_notification_broadcast", query={"ids": house.pk("notification")})
    ],
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
    assert model in house.rows, f"No row of {model!r} is in the house, or the page {name!r} is not in OWN_PAGES."
    read_only = isinstance(admin.site.get_model_admin(type(house.rows[model])), ReadOnlyAdmin)
    if kind in ("add", "delete") and read_only:
        return []
    return [reverse(f"admin:{name}", args=[] if kind in ("add", "changelist") else [house.rows[model].pk])]
