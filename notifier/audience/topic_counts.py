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
from notifier.saved_audiences import compiling
from notifier.saved_audiences.compiling import Members


@dataclass(frozen=True, slots=True)
class Reach:
    """Every client counted once: the fields add up to the number of clients.

    Where two reasons hold, the first in this order counts: archived, not in the audience, no consent, no address,
    suppressed, not allowed (SMS_COUNTRIES keeps SMS from their number), landline.
    """

    channel: Channel
    recipients: int
    no_consent: int
    no_address: int
    suppressed: int
    not_allowed: int
    landline: int
    archived: int
    #: Of a saved audience; 0 without one.
    not_in_audience: int = 0

    @property
    def clients(self) -> int:
        return self.recipients + self.no_consent + self.unreachable + self.archived + self.not_in_audience

    @property
    def unreachable(self) -> int:
        """How many agreed and get nothing all the same."""
        return self.no_address + self.suppressed + self.not_allowed + self.landline


def reach(*, topic: Topic, within: Members | None = None) -> dict[Channel, Reach]:
    """The counts for each channel, exact at this moment: one pass over the topic's consents."""
    return reaches(topics=[topic], within=within)[topic.pk]


def reaches(*, topics: Iterable[Topic], within: Members | None = None) -> dict[int, dict[Channel, Reach]]:
    """The same for several topics, by their ids: all clients are counted once."""
    clients, archived = Client.objects.count(), Client.objects.archived().count()
    if within:
        members = within.clients().count()
        others = clients - archived - members
        return {topic.pk: _reach(topic, archived + members, archived, within, others) for topic in topics}
    with along_the_indexes():
        return {topic.pk: _reach(topic, clients, archived) for topic in topics}


def sends(text: Notification | Broadcast, *, within: Members | None = None) -> int:
    """How many messages it would be if it were sent to its whole audience at this moment."""
    reached = reach(topic=text.topic, within=within)
    return sum(reached[channel].recipients for channel in text.channels)


def _reach(
    topic: Topic, clients: int, archived: int, within: Members | None = None, others: int = 0
) -> dict[Channel, Reach]:
    """`others`: active clients who are not in the audience, and not among `clients`."""
    found = {}
    for channel, agreed in _agreement(topic, within).items():
        suppressed = _suppressed(topic, channel, within)
        not_allowed, landline = (
            standings.who(topic=topic, channel=channel, standing=standing, within=within).count()
            for standing in (Standing.NOT_ALLOWED, Standing.LANDLINE)
        )
        found[channel] = Reach(
            channel=channel,
            recipients=agreed.active - agreed.no_address - suppressed - not_allowed - landline,
            no_consent=clients - archived - agreed.active,
            no_address=agreed.no_address,
            suppressed=suppressed,
            not_allowed=not_allowed,
            landline=landline,
            archived=archived,
            not_in_audience=others,
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


def _agreement(topic: Topic, within: Members | None = None) -> dict[Channel, Agreed]:
    if within or connection.vendor != "postgresql":
        email, no_email, sms, no_phone = _looked_up(topic, within)
    else:
        email, no_email, sms, no_phone = _merged(topic)
    return {Channel.EMAIL: Agreed(email, no_email), Channel.SMS: Agreed(sms, no_phone)}


def _looked_up(topic: Topic, within: Members | None = None) -> tuple[int, int, int, int]:
    """SQLite's way, and that of an audience: each consent's client is looked up."""
    consents = Preference.objects.filter(*compiling.only(within, "client__"), topic=topic, client__is_active=True)
    found = consents.aggregate(
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


def _suppressed(topic: Topic, channel: Channel, within: Members | None = None) -> int:
    """How many active, consenting clients have a suppressed address; found from the suppressions, which are few."""
    suppressions = Suppression.objects.filter(channel=channel).values("address")
    consents = Preference.objects.filter(client=OuterRef("pk"), topic=topic, **{channel.value: True})
    agreed = Client.objects.active().filter(*compiling.only(within)).filter(Exists(consents))
    return agreed.filter(**{f"{channel.address_field}__in": suppressions}).count()
