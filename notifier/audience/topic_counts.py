"""Who would get a notification if it were sent now, and who would not, and why. Read only."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from django.db import connection, transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet

from notifier.models import Broadcast, Channel, Client, Notification, Preference, Suppression, Topic
from notifier.policies import landlines, sms_countries

#: How many ids are looked up for each client of a sample, since not all clients are in the audience.
TRIES = 4


class Standing(StrEnum):
    """Whether a client would get a topic on a channel, or why not: exactly one for each client. Named as in `Reach`."""

    RECIPIENTS = "recipients"
    NO_CONSENT = "no_consent"
    NO_ADDRESS = "no_address"
    SUPPRESSED = "suppressed"
    NOT_ALLOWED = "not_allowed"
    LANDLINE = "landline"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Reach:
    """Every client counted once: the fields add up to the number of clients.

    Where two reasons hold, the first in this order counts: archived, no consent, no address, suppressed, not
    allowed (SMS_COUNTRIES keeps SMS from their number), landline.
    """

    channel: Channel
    recipients: int
    no_consent: int
    no_address: int
    suppressed: int
    not_allowed: int
    landline: int
    archived: int

    @property
    def clients(self) -> int:
        return self.recipients + self.no_consent + self.unreachable + self.archived

    @property
    def unreachable(self) -> int:
        """How many agreed and get nothing all the same."""
        return self.no_address + self.suppressed + self.not_allowed + self.landline


def reach(*, topic: Topic) -> dict[Channel, Reach]:
    """The counts for each channel, exact at this moment: one pass over the topic's consents."""
    return reaches(topics=[topic])[topic.pk]


def reaches(*, topics: Iterable[Topic]) -> dict[int, dict[Channel, Reach]]:
    """The same for several topics, by their ids: all clients are counted once."""
    clients, archived = Client.objects.count(), Client.objects.archived().count()
    with along_the_indexes():
        return {topic.pk: _reach(topic, clients, archived) for topic in topics}


def sends(text: Notification | Broadcast) -> int:
    """How many messages it would be if it were sent to its whole audience at this moment."""
    reached = reach(topic=text.topic)
    return sum(reached[channel].recipients for channel in text.channels)


def _reach(topic: Topic, clients: int, archived: int) -> dict[Channel, Reach]:
    found = {}
    for channel, agreed in _agreement(topic).items():
        suppressed = _suppressed(topic, channel)
        not_allowed = who(topic=topic, channel=channel, standing=Standing.NOT_ALLOWED).count()
        landline = who(topic=topic, channel=channel, standing=Standing.LANDLINE).count()
        found[channel] = Reach(
            channel=channel,
            recipients=agreed.active - agreed.no_address - suppressed - not_allowed - landline,
            no_consent=clients - archived - agreed.active,
            no_address=agreed.no_address,
            suppressed=suppressed,
            not_allowed=not_allowed,
            landline=landline,
            archived=archived,
        )
    return found


def most() -> int:
    """An upper bound for the number of clients, which costs the same however many there are."""
    return Client.objects.aggregate(highest=Max("pk"))["highest"] or 0


@dataclass(frozen=True, slots=True)
class Agreed:
    """How many active clients agreed to a topic on a channel; how many of these have no address for it, or a landline
    number, to which no SMS is sent.
    """

    active: int
    no_address: int
    landline: int = 0


def agreement(*, topic: Topic) -> dict[Channel, Agreed]:
    """Exact at this moment, by channel: suppressed addresses count as any other."""
    with along_the_indexes():
        found = _agreement(topic)
        agreed = Exists(Preference.objects.filter(client=OuterRef("pk"), topic=topic, sms=True))
        landline = Client.objects.active().filter(landlines.has_landline(), agreed).count()
        return found | {Channel.SMS: replace(found[Channel.SMS], landline=landline)}


def _agreement(topic: Topic) -> dict[Channel, Agreed]:
    read = _merged if connection.vendor == "postgresql" else _looked_up
    email, no_email, sms, no_phone = read(topic)
    return {Channel.EMAIL: Agreed(email, no_email), Channel.SMS: Agreed(sms, no_phone)}


def _looked_up(topic: Topic) -> tuple[int, int, int, int]:
    """SQLite's way: each consent's client is looked up."""
    found = Preference.objects.filter(topic=topic, client__is_active=True).aggregate(
        by_email=Count("pk", filter=Q(email=True)),
        by_sms=Count("pk", filter=Q(sms=True)),
        addresses=Count("client__email", filter=Q(email=True)),
        phones=Count("client__phone", filter=Q(sms=True)),
    )
    by_email, by_sms = found["by_email"], found["by_sms"]
    return by_email, by_email - found["addresses"], by_sms, by_sms - found["phones"]


# All consents of a topic, minus those of `odd` clients, who are archived or lack an address. One index covers the
# consents, and a small one the odd clients; a client who is not in it is active and has both addresses. For a million
# clients, of whom a tenth are odd, it takes a quarter of the time of looking up each.
_MERGED = f"""
    SELECT COUNT(*) FILTER (WHERE p.email AND odd.is_active IS NOT FALSE),
           COUNT(*) FILTER (WHERE p.email AND odd.is_active AND odd.email IS NULL),
           COUNT(*) FILTER (WHERE p.sms AND odd.is_active IS NOT FALSE),
           COUNT(*) FILTER (WHERE p.sms AND odd.is_active AND odd.phone IS NULL)
    FROM {Preference._meta.db_table} p
    LEFT JOIN {Client._meta.db_table} odd
        ON odd.id = p.client_id AND (NOT odd.is_active OR odd.email IS NULL OR odd.phone IS NULL)
    WHERE p.topic_id = %s
"""  # noqa: S608


def _merged(topic: Topic) -> tuple[int, int, int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_MERGED, [topic.pk])
        email, no_email, sms, no_phone = cursor.fetchone()
    return email, no_email, sms, no_phone


@contextmanager
def along_the_indexes() -> Iterator[None]:
    """Make PostgreSQL merge two indexes in the order of the clients' ids, for the statements inside.

    By itself it reads both tables and hashes a million rows, in eight parts on the disk, which takes two to three times
    as long. It also looks up a few thousand addresses one by one then, instead of reading all clients for them. SQLite
    uses the indexes anyway.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_seqscan = off")
        yield
        cursor.execute("SET LOCAL enable_hashjoin = DEFAULT; SET LOCAL enable_seqscan = DEFAULT")


def _suppressed(topic: Topic, channel: Channel) -> int:
    """How many active, consenting clients have a suppressed address; found from the suppressions, which are few."""
    suppressions = Suppression.objects.filter(channel=channel).values("address")
    consents = Preference.objects.filter(client=OuterRef("pk"), topic=topic, **{channel.value: True})
    return Client.objects.active().filter(Exists(consents), **{f"{channel.address_field}__in": suppressions}).count()


def who(*, topic: Topic, channel: Channel, standing: Standing) -> QuerySet[Client]:
    """The clients behind the count of that name in `Reach`."""
    address = channel.address_field
    consents = Exists(Preference.objects.filter(client=OuterRef("pk"), topic=topic, **{channel.value: True}))
    suppressions = Suppression.objects.filter(channel=channel)
    active, is_absent = Client.objects.active(), Q(**{address: None})
    refused = sms_countries.refused(channel=channel)
    is_suppressed = Exists(suppressions.filter(address=OuterRef(address)))
    allowed = sms_countries.allowed(channel=channel)
    match standing:
        case Standing.ARCHIVED:
            return Client.objects.archived()
        case Standing.NO_CONSENT:
            return active.filter(~consents)
        case Standing.NO_ADDRESS:
            return active.filter(is_absent, consents)
        case Standing.SUPPRESSED:
            return active.filter(consents, **{f"{address}__in": suppressions.values("address")})
        case Standing.NOT_ALLOWED:
            return active.filter(refused, consents, ~is_suppressed) if refused else active.none()
        case Standing.LANDLINE:
            skipped = landlines.skipped(channel=channel)
            return active.filter(*skipped, *allowed, consents, ~is_suppressed) if skipped else active.none()
    return active.filter(~is_absent, consents, ~is_suppressed, *allowed, *landlines.passing(channel=channel))


def wanting(*, topic_id: int, channel: Channel) -> QuerySet[Preference]:
    """The consents of those who could be sent something of this topic now."""
    address = f"client__{channel.address_field}"
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef(address))
    consents = Preference.objects.filter(topic=topic_id, client__is_active=True, **{channel.value: True})
    allowed = sms_countries.allowed(channel=channel, client="client__")
    passing = landlines.passing(channel=channel, client="client__")
    return consents.filter(~Exists(suppressed), *allowed, *passing, **{f"{address}__isnull": False})


def names(*, topic: Topic, channel: Channel, most: int) -> list[str]:
    """The names of up to `most` recipients, spread over all clients: a few milliseconds, however many there are."""
    recipients = who(topic=topic, channel=channel, standing=Standing.RECIPIENTS).order_by("pk")
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
