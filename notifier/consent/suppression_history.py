"""The history of addresses: when they were suppressed and lifted, why, and by whom.

Read only. An address that was erased stands under its digest; whoever names the address itself finds both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from notifier.consent import digests
from notifier.models import (
    Channel,
    Client,
    ConsentChange,
    ErasedAddress,
    InboundMessage,
    ProviderEvent,
    Suppression,
    SuppressionChange,
)
from notifier.models.suppressions import DIGEST, shown

#: One address has a handful of changes.
MAX_CHANGES = 500
AGREED, WITHDRAWN, NO_CONSENT = "Agreed", "Withdrawn", "No consent"
REACHABLE, SUPPRESSED = "Reachable", "Suppressed"


@dataclass(frozen=True, slots=True)
class AddressNames:
    """An address, with every form in which it may be stored: itself and its digests."""

    channel: Channel
    names: tuple[str, ...]


def names_of(*, channel: Channel, address: str) -> AddressNames:
    """The stored forms of an address; of a digest only the digest itself."""
    erased = address.startswith(DIGEST)
    return AddressNames(channel, (address,) if erased else (address, *digests.digests(channel, address)))


def current_addresses(client: Client) -> list[AddressNames]:
    """The client's addresses; of an erased client the digests of those that they had."""
    if client.erased_at:
        rows = ErasedAddress.objects.filter(client=client).order_by("pk")
        return [AddressNames(Channel(row.channel), (row.digest,)) for row in rows]
    values = {channel: getattr(client, channel.address_field) for channel in Channel}
    return [names_of(channel=channel, address=str(value)) for channel, value in values.items() if value]


def all_addresses(client: Client) -> list[AddressNames]:
    """The client's addresses, with those that they had before."""
    found = {(each.channel, each.names[0]): each for each in current_addresses(client)}
    for values in Client.history.filter(id=client.pk).values(*(channel.address_field for channel in Channel)):
        for channel in Channel:
            address = str(values[channel.address_field] or "")
            if address and (channel, address) not in found:
                found[channel, address] = names_of(channel=channel, address=address)
    return list(found.values())


def suppressions(addresses: Iterable[AddressNames]) -> QuerySet[Suppression]:
    """The suppressions that hold now."""
    return Suppression.objects.filter(_about(addresses)).order_by("pk")


def changes(addresses: Iterable[AddressNames]) -> QuerySet[SuppressionChange]:
    """Newest first."""
    return SuppressionChange.objects.filter(_about(addresses)).select_related("by").order_by("-at", "-pk")


def events(addresses: Iterable[AddressNames]) -> QuerySet[ProviderEvent]:
    """Newest first."""
    return ProviderEvent.objects.filter(_about(addresses)).order_by("-at", "-pk")


def inbound(addresses: Iterable[AddressNames]) -> QuerySet[InboundMessage]:
    """The messages from these addresses, newest first."""
    about = Q(pk__in=[])
    for each in addresses:
        about |= Q(channel=each.channel, sender__in=each.names)
    return InboundMessage.objects.filter(about).order_by("-received_at", "-pk")


def _about(addresses: Iterable[AddressNames]) -> Q:
    about = Q(pk__in=[])
    for each in addresses:
        about |= Q(channel=each.channel, address__in=each.names)
    return about


# --- The timeline -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Entry:
    """One change, in words."""

    at: datetime
    what: str
    #: The channel or the address.
    beside: str
    before: str
    after: str
    #: The tone of its badge.
    tone: str
    origin: str
    #: The internet address, for what was done on a public page.
    ip: str = ""


def timeline(addresses: Sequence[AddressNames], consents: Iterable[ConsentChange] = ()) -> list[Entry]:
    """Changes of consent and of suppressions in one list, newest first, as `consents` has to be."""
    entries = [*_of_suppressions(addresses), *_of_consents(consents)]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _of_consents(changes: Iterable[ConsentChange]) -> list[Entry]:
    """Before the first agreement there was no consent; before a later one it had been withdrawn."""
    said: set[tuple[int, str]] = set()
    found = []
    for change in reversed(list(changes)):
        choice = (change.topic_id, change.channel)
        found.append(_of_consent(change, is_first=choice not in said))
        said.add(choice)
    return found[::-1]


def _of_consent(change: ConsentChange, *, is_first: bool) -> Entry:
    no = NO_CONSENT if is_first else WITHDRAWN
    before, after = (no, AGREED) if change.agreed else (AGREED, WITHDRAWN)
    return Entry(
        at=change.at,
        what=change.topic.name,
        beside=f"by {Channel(change.channel).in_words}",
        before=before,
        after=after,
        tone="good" if change.agreed else "quiet",
        origin=change.origin,
        ip=change.ip or "",
    )


def _of_suppressions(addresses: Sequence[AddressNames]) -> list[Entry]:
    """Each change begins with the state in which the one before left the address."""
    which = {(each.channel.value, name): number for number, each in enumerate(addresses) for name in each.names}
    stood: dict[int, str] = {}
    found = []
    for change in reversed(changes(addresses)[:MAX_CHANGES]):
        number = which[change.channel, change.address]
        lifted = change.action == SuppressionChange.Action.LIFTED
        after = REACHABLE if lifted else SUPPRESSED
        # A client's own request may replace a bounce: the address was suppressed already.
        before = stood.get(number, SUPPRESSED if lifted else REACHABLE)
        stood[number] = after
        found.append(_entry(change, before, after))
    return found[::-1]


def _entry(change: SuppressionChange, before: str, after: str) -> Entry:
    return Entry(
        at=change.at,
        what=Channel(change.channel).address_in_words.capitalize(),
        beside=shown(change.address),
        before=before,
        after=after,
        tone="good" if after == REACHABLE else "warn",
        origin=origin(change),
    )


def origin(change: SuppressionChange) -> str:
    """The source of a change in words, such as “Staff, maria: asked by phone”."""
    who = [change.get_source_display()] + ([change.by.get_username()] if change.by else [])
    return ", ".join(who) + (f": {change.reason}" if change.reason else "")
