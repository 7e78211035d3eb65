"""Everything that is kept about one client, for their page, which shows a bounded part of every list. Read only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db.models import QuerySet

from notifier.consent import suppression_history
from notifier.consent.suppression_history import Entry
from notifier.models import Channel, Client, ConsentChange, Delivery, InboundMessage, Suppression, Topic

#: Deliveries and versions on one page; changes of consent before somebody asks for all.
PAGE_SIZE, SHORT_CHANGES = 20, 10
#: SMS replies on the client's page; the rest is in the inbox.
SHOWN_REPLIES = 5
#: A page shows no more than these of anything.
MAX_SHOWN = 500
#: The fields in which versions are compared, with their names on the screens.
FIELDS = {
    "name": "Name",
    "first_name": "First name",
    "last_name": "Last name",
    "email": "E-mail",
    "phone": "Phone",
    "language": "Language",
    "time_zone": "Time zone",
    "is_active": "Active",
    "erased_at": "Erased",
}


def consent_changes(client: Client) -> QuerySet[ConsentChange]:
    """Newest first."""
    return ConsentChange.objects.filter(client=client).select_related("topic", "by").order_by("-at", "-pk")


def deliveries(client: Client) -> QuerySet[Delivery]:
    """Newest first, without the broadcasts' texts."""
    rows = Delivery.objects.filter(client=client).select_related("broadcast").order_by("-pk")
    return rows.defer("broadcast__email_body", "broadcast__sms_body", "broadcast__variants", "broadcast__tally")


def last_sent(client: Client) -> Delivery | None:
    """The newest message that went out to them."""
    return deliveries(client).filter(state=Delivery.State.SENT).first()


def agreed(client: Client) -> list[tuple[str, list[tuple[Channel, bool]]]]:
    """For each topic, by its name, whether they agreed to it on each channel."""
    rows = {preference.topic_id: preference for preference in client.preferences.all()}
    return [
        (topic.name, [(channel, getattr(rows.get(topic.pk), channel.value, False)) for channel in Channel])
        for topic in Topic.objects.order_by("name")
    ]


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    rows: Sequence[Delivery]
    #: The next page begins before this id; None on the last page.
    older: int | None


def delivery_page(*, client: Client, before: int | None) -> DeliveryPage:
    """Pages by key, so that the hundredth costs what the first does."""
    found = deliveries(client)
    rows = list((found.filter(pk__lt=before) if before else found)[: PAGE_SIZE + 1])
    return DeliveryPage(rows[:PAGE_SIZE], rows[PAGE_SIZE - 1].pk if len(rows) > PAGE_SIZE else None)


def suppressions(client: Client) -> list[Suppression]:
    """Suppressions of the client's addresses; of an erased client, of those that they had."""
    return list(suppression_history.suppressions(suppression_history.current_addresses(client)))


def consent_timeline(*, client: Client, most: int, with_addresses: bool) -> list[Entry]:
    """Up to `most` changes, newest first: of consent, and of suppressions of all addresses that the client ever had."""
    addresses = suppression_history.all_addresses(client) if with_addresses else []
    # Read MAX_SHOWN even for a shorter list: the older changes tell what each one changed.
    return suppression_history.timeline(addresses, consent_changes(client)[: MAX_SHOWN + 1])[:most]


def sms_replies(client: Client) -> QuerySet[InboundMessage]:
    """Messages from the client's present number, newest first."""
    found = InboundMessage.objects.filter(channel=Channel.SMS, sender=str(client.phone)).order_by("-pk")
    return found if client.phone else found.none()


@dataclass(frozen=True, slots=True)
class Difference:
    label: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """The client after one edit."""

    row: Any
    differences: Sequence[Difference]

    @property
    def by(self) -> str:
        """Empty for a command, or a user who no longer exists."""
        return self.row.history_user.get_username() if self.row.history_user else ""


def history(client: Client) -> QuerySet[Any]:
    """Newest first."""
    versions: QuerySet[Any] = Client.history.filter(id=client.pk).select_related("history_user")
    return versions.order_by("-history_date", "-history_id")


def archiving(client: Client) -> Any:
    """The version that archived the client; None for an active client, or where it is not on record."""
    last_active = history(client).filter(is_active=True).values_list("history_date", flat=True).first()
    archived = history(client).filter(is_active=False)
    return (archived.filter(history_date__gt=last_active) if last_active else archived).last()


def earlier_versions(*, client: Client, most: int) -> Iterator[EarlierVersion]:
    """The newest `most`, each with what it changed."""
    rows = list(history(client)[: most + 1])
    for after, before in pairwise([*rows, None]):
        if most > 0:
            yield EarlierVersion(after, _differences(before, after))
        most -= 1


def _differences(before: Any, after: Any) -> list[Difference]:
    """The fields that differ; all of them where there is no version before."""
    return [
        Difference(label, getattr(before, name, None), getattr(after, name))
        for name, label in FIELDS.items()
        if getattr(before, name, None) != getattr(after, name)
    ]
