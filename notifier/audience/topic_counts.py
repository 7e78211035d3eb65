"""How many would get a topic if it were sent now, and how many would not and why. Read only."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from django.db import connection, transaction
from django.db.models import Count, Exists, Max, OuterRef, Q

from notifier.audience import standings
from notifier.audience.standings import Standing
from notifier.models import Broadcast, Channel, Client, Notification, Preference, Suppression, Topic
from notifier.policies import landlines


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
        not_allowed = standings.who(topic=topic, channel=channel, standing=Standing.NOT_ALLOWED).count()
        landline = standings.who(topic=topic, channel=channel, standing=Standing.LANDLINE).count()
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
