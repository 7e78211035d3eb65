"""Whose copy of a text staff are shown before it is sent, and afterwards: one client for all channels, where one gets
it on all. Read only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import CharField, Exists, OuterRef, QuerySet
from django.db.models.functions import Cast

from notifier.audience import chains, reachable
from notifier.languages import offered
from notifier.models import Broadcast, Channel, Client, Delivery, Notification
from notifier.policies import caps, client_values, quiet_hours
from notifier.saved_audiences import compiling
from notifier.saved_audiences.compiling import Members
from notifier.saved_audiences.document import BrokenAudience

#: How many clients are looked at to find one, however many there are. Of these a few columns are read, and only those
#: who may be shown are made clients of: a hundred clients with their phone numbers and values take 10 to 20 ms.
LOOKED_AT = 100
#: Those in an audience may be few among many, so each costs a look at others.
LOOKED_AT_WITHIN = 10


@dataclass(frozen=True, slots=True)
class Readers:
    #: Of each channel that it has a text for, the first of those who get it, and the first who reads each language.
    each: Mapping[Channel, Sequence[Client]]
    #: Who reads the text that is not in another language; empty where there is only that one.
    default: str = ""

    def of(self, language: str | None = None) -> dict[Channel, Client | None]:
        """One of each channel, who is written to in that language if any of them is; None where there are none.

        Without a language one of those who get the text that is in the default one.
        """
        read_in = language or self.default
        return {channel: self._one(clients, read_in) for channel, clients in self.each.items()}

    def _one(self, clients: Sequence[Client], language: str) -> Client | None:
        in_it = (client for client in clients if not language or offered.of(client.language) == language)
        return next(in_it, next(iter(clients), None))


NOBODY = Readers({})


class _Candidate(NamedTuple):
    """What tells whether somebody gets it, and in which language."""

    client_id: int
    language: str | None
    time_zone: str
    phone: str | None


_COLUMNS = ("client_id", "client__language", "client__time_zone", "raw_phone")


def of(
    text: Notification | Broadcast, *, now: datetime, language: str | None = None, within: Members | None = None
) -> dict[Channel, Client | None]:
    """By each channel that it has a text for, a client who gets it; None where none was found.

    See `find` and `Readers.of`.
    """
    return find(text, now=now, within=within).of(language)


def find(text: Notification | Broadcast, *, now: datetime, within: Members | None = None) -> Readers:
    """Who gets it. `within`: the audience that a notification would go to; that of a broadcast is its own.

    Of a broadcast that has begun it may be somebody who has reached the frequency cap since, maybe by getting it, or
    who is in its audience no longer. Where nobody can say who is in its audience there is nobody.
    """
    try:
        members = compiling.of_broadcast(text, now=now) if isinstance(text, Broadcast) else within
    except BrokenAudience:
        return NOBODY
    channels = text.channels
    default = offered.default() if text.other_texts else ""
    lists = {channels[0]: _recipients(text, channels[0], now, members)} if channels else {}
    for channel in channels[1:]:
        among = [one.client_id for one in lists[channels[0]]]
        if both := _recipients(text, channel, now, members, among=among):
            lists = dict.fromkeys(channels, both)
            break
        lists[channel] = _recipients(text, channel, now, members)
    return Readers(_shown(lists), default)


def _shown(lists: Mapping[Channel, Sequence[_Candidate]]) -> dict[Channel, list[Client]]:
    """The first of each list, and the first who reads each language: nobody else is ever shown."""
    first = {channel: _first_of_each_language(candidates) for channel, candidates in lists.items()}
    wanted = {one.client_id for candidates in first.values() for one in candidates}
    clients = Client.objects.select_related("field_values").in_bulk(wanted) if wanted else {}
    # Somebody may have been erased between the two queries.
    return {
        channel: [clients[one.client_id] for one in candidates if one.client_id in clients]
        for channel, candidates in first.items()
    }


def _first_of_each_language(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """In their order."""
    found: dict[str, _Candidate] = {}
    for one in candidates:
        found.setdefault(offered.of(one.language), one)
    return list(found.values())


def _recipients(
    text: Notification | Broadcast,
    channel: Channel,
    now: datetime,
    within: Members | None,
    among: Collection[int] | None = None,
) -> list[_Candidate]:
    """The first of those who get it, in the order of their ids."""
    if among is not None and not among:
        return []
    wanting = reachable.wanting(topic_id=text.topic_id, channel=channel, within=within)
    wanting = wanting.filter(*client_values.present(client_values.needed(text, channel), client="client__"))
    if among is not None:
        wanting = wanting.filter(client__in=among)
    broadcast = text if isinstance(text, Broadcast) else None
    is_to_begin = broadcast is None or broadcast.state in Broadcast.BEFORE_START
    if broadcast and broadcast.follows_id is not None and is_to_begin:
        chain = chains.whole(broadcast_id=broadcast.follows_id, notification_id=broadcast.notification_id)
        reached = chains.reached(broadcast_ids=chain, channel=channel, client=OuterRef("client_id"))
        wanting = wanting.filter(~Exists(reached))
    found = _candidates(wanting, most=LOOKED_AT_WITHIN if within else LOOKED_AT)
    if broadcast and not is_to_begin:
        return found or (_one_who_got_it(broadcast, channel) if within and among is None else [])
    if broadcast and broadcast.is_critical:
        return found
    scheduled_for = broadcast.scheduled_for if broadcast else None
    return _below_cap(found, channel, max(now, scheduled_for or now))


def _candidates(consents: QuerySet[Any], *, most: int) -> list[_Candidate]:
    # As text: to read it as a phone number takes longer than all else about a candidate.
    rows = consents.annotate(raw_phone=Cast("client__phone", CharField())).order_by("client_id")
    return [_Candidate(*row) for row in rows.values_list(*_COLUMNS)[:most]]


def _one_who_got_it(broadcast: Broadcast, channel: Channel) -> list[_Candidate]:
    """Whoever got it may not be in its audience any more: of clients who had nothing for a month they are the first."""
    rows = Delivery.objects.filter(broadcast=broadcast.pk, channel=channel).order_by("client_id")
    found = rows.values_list("client_id", flat=True).first()
    clients = Client.objects.filter(pk=found, erased_at=None).values_list("pk", "language") if found else ()
    return [_Candidate(pk, language, "", None) for pk, language in clients]


def _below_cap(clients: Sequence[_Candidate], channel: Channel, now: datetime) -> list[_Candidate]:
    """Those who will not have reached the cap when it is their turn."""
    cap: tuple[int, int] | None = settings.CAPS[channel.value]
    if not clients or cap is None:
        return list(clients)
    maximum, days = cap
    period = timedelta(days=days)
    had = caps.counted(since=now - period)
    rows = Delivery.objects.filter(had, client__in=[client.client_id for client in clients], channel=channel)
    settled: dict[int, list[datetime | None]] = defaultdict(list)
    for client_id, at in rows.order_by().values_list("client", "settled_at"):
        settled[client_id].append(at)

    def is_below(client: _Candidate) -> bool:
        counted = settled.get(client.client_id, [])
        # Who has not had enough now has not had enough later either.
        if len(counted) < maximum:
            return True
        since = _turn(client, channel, now) - period
        return sum(1 for at in counted if at is None or at > since) < maximum

    return [client for client in clients if is_below(client)]


def _turn(client: _Candidate, channel: Channel, now: datetime) -> datetime:
    hours = settings.QUIET_HOURS[channel.value]
    if hours is None:
        return now
    zones = quiet_hours.zones_of(time_zone=client.time_zone, phone=client.phone)
    return quiet_hours.opens_at(zones=zones, hours=hours, now=now)
