"""Those who can be sent a topic on a channel now: all of them, some by name, and one as an example. Read only."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, Max, Min, OuterRef, QuerySet

from notifier.audience import standings
from notifier.audience.standings import Standing
from notifier.models import Channel, Client, Preference, Suppression, Topic
from notifier.policies import landlines, sms_countries

#: How many ids are looked up for each client of a sample, since not all clients are in the audience.
TRIES = 4


def wanting(*, topic_id: int, channel: Channel) -> QuerySet[Preference]:
    """The consents of those who could be sent something of this topic now."""
    address = f"client__{channel.address_field}"
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef(address))
    consents = Preference.objects.filter(topic=topic_id, client__is_active=True, **{channel.value: True})
    allowed = sms_countries.allowed(channel=channel, client="client__")
    passing = landlines.passing(channel=channel, client="client__")
    return consents.filter(~Exists(suppressed), *allowed, *passing, **{f"{address}__isnull": False})


def names(*, topic: Topic, channel: Channel, most: int, only: Iterable[Any] = ()) -> list[str]:
    """The names of up to `most` recipients, spread over all clients: a few milliseconds, however many there are.

    `only` are conditions on the clients.
    """
    recipients = standings.who(topic=topic, channel=channel, standing=Standing.RECIPIENTS).filter(*only).order_by("pk")
    few = list(recipients.values_list("name", flat=True)[: most + 1])
    if len(few) <= most:
        return few
    ends = Client.objects.aggregate(first=Min("pk"), last=Max("pk"))
    tries = most * TRIES
    ids = {ends["first"] + (ends["last"] - ends["first"]) * number // (tries - 1) for number in range(tries)}
    spread = list(recipients.filter(pk__in=ids).values_list("name", flat=True))
    # Where ids have gaps, or few consent, the first recipients are a better sample than the few that were found.
    return spread[:: max(1, len(spread) // most)] if len(spread) >= most / 5 else few[:most]


def sample(*, topic: Topic, channel: Channel) -> Client | None:
    """A recipient on this channel, for whom a preview can be rendered; None if there is none."""
    address = channel.address_field
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef(f"client__{address}"))
    preference = (
        Preference.objects.filter(~Exists(suppressed), topic=topic, client__is_active=True, **{channel.value: True})
        .filter(
            *sms_countries.allowed(channel=channel, client="client__"),
            *landlines.passing(channel=channel, client="client__"),
        )
        .exclude(**{f"client__{address}": None})
        .select_related("client")
        .order_by("client_id")
        .first()
    )
    return preference.client if preference else None
