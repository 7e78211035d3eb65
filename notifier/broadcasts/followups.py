"""Sending a broadcast's text once more, to those who want it now and did not get it.

Nobody gets it twice. A broadcast is followed once at most, after it has ended, and whatever of it failed or was skipped
is not sent again from then on (see `recovery`): so what a follow-up takes over can't set off by itself any more.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from notifier.broadcasts import acts, audience, chains, lifecycle
from notifier.broadcasts.acts import Act
from notifier.broadcasts.send_options import Terms
from notifier.models import Broadcast, Channel, Client, Delivery, Preference, Suppression

State = Delivery.State
#: How a client stands to a chain on one channel, apart from those who got it.
_STANDINGS = {
    "unknown": Q(state=State.UNKNOWN),
    "under_way": Q(due_at__isnull=False),
    "failed": Q(state=State.FAILED),
    "cancelled": Q(state=State.CANCELLED),
    "skipped": Q(state=State.SKIPPED),
}


class FollowUpError(Exception):
    """There can be no follow-up; the text says why, to staff."""


class NotEnded(FollowUpError):
    """Something of the broadcast may still go out."""


class FollowedAlready(FollowUpError):
    """The broadcast has its follow-up, which is the one to follow now."""

    def __init__(self, follower: Broadcast) -> None:
        super().__init__(f"It was followed up already, by {follower}. Look there for what is still missing.")
        self.follower = follower


@dataclass(frozen=True, slots=True)
class Missing:
    """Those who want it on this channel now and did not get it, each counted once: why, and who is left out."""

    channel: Channel
    failed: int
    skipped: int
    cancelled: int
    #: Consented since, or came after; or it was cancelled before it got as far as them.
    new: int
    #: Left out, for it may have arrived.
    unknown: int
    #: Left out, for it may yet arrive.
    under_way: int

    @property
    def recipients(self) -> int:
        return self.failed + self.skipped + self.cancelled + self.new


def follower_of(*, broadcast_id: int) -> Broadcast | None:
    return Broadcast.objects.filter(follows=broadcast_id).only("pk", "subject", "state").first()


def check(*, broadcast: Broadcast) -> None:
    """Raises `FollowUpError` where this broadcast can have no follow-up now."""
    if follower := follower_of(broadcast_id=broadcast.pk):
        raise FollowedAlready(follower)
    # A cancelled one ends once the dispatcher has settled what was left.
    if not acts.is_allowed(Act.FOLLOW_UP, broadcast) or broadcast.finished_at is None:
        raise NotEnded(f"{broadcast} has not ended yet. Wait until it has, or cancel it first.")


def missing(*, broadcast: Broadcast) -> list[Missing]:
    """What a follow-up would come to, exact at this moment.

    Whoever has several deliveries in the chain counts by the first of `_STANDINGS` that one of them fits.
    """
    chain = [broadcast.pk, *chains.others(broadcast_id=broadcast.pk, notification_id=broadcast.notification_id)]
    return [_missing(broadcast.topic_id, chain, channel) for channel in broadcast.channels]


def _missing(topic_id: int, chain: list[int], channel: Channel) -> Missing:
    wants = wanting(topic_id=topic_id, channel=channel)
    rows = Delivery.objects.filter(broadcast__in=chain, channel=channel)
    # Those who did get it are many, and counted by nobody: the others are found by an index of their own.
    counts = {"new": _new(topic_id, chain, channel)}
    before = Q(state=State.SENT)
    for name, standing in _STANDINGS.items():
        counted = rows.filter(standing, Exists(wants.filter(client=OuterRef("client_id"))))
        if len(chain) > 1:
            counted = counted.filter(~Exists(rows.filter(before, client=OuterRef("client_id"))))
        counts[name] = counted.aggregate(clients=Count("client", distinct=True))["clients"]
        before |= standing
    return Missing(channel=channel, **counts)


def _new(topic_id: int, chain: list[int], channel: Channel) -> int:
    """Those who want it, and whom nothing of the chain was made for."""
    if connection.vendor == "postgresql":
        with audience.along_the_indexes():
            return _merged(topic_id, chain, channel) - _suppressed(topic_id, chain, channel)
    return wanting(topic_id=topic_id, channel=channel).filter(~_in_chain(chain, channel, OuterRef("client_id"))).count()


def _in_chain(chain: list[int], channel: Channel, client: OuterRef) -> Exists:
    return Exists(Delivery.objects.filter(broadcast__in=chain, channel=channel, client=client))


# All of it is in three indexes, which are read in the order of the clients' ids; see `audience`. Of a million clients
# and 250,000 deliveries it takes a sixth of the time that looking up each client does.
_MERGED = """
    SELECT COUNT(*)
    FROM {preferences} p
    LEFT JOIN {clients} odd
        ON odd.id = p.client_id AND (NOT odd.is_active OR odd.email IS NULL OR odd.phone IS NULL)
    WHERE p.topic_id = %s AND p.{channel}
      AND (odd.id IS NULL OR (odd.is_active AND odd.{address} IS NOT NULL))
      AND NOT EXISTS (
          SELECT 1 FROM {deliveries} d
          WHERE d.broadcast_id = ANY(%s) AND d.channel = %s AND d.client_id = p.client_id
      )
"""


def _merged(topic_id: int, chain: list[int], channel: Channel) -> int:
    """Suppressed addresses count as any other."""
    statement = _MERGED.format(
        preferences=Preference._meta.db_table,
        clients=Client._meta.db_table,
        deliveries=Delivery._meta.db_table,
        channel=channel.value,
        address="email" if channel == Channel.EMAIL else "phone",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [topic_id, chain, channel.value])
        return int(cursor.fetchone()[0])


def _suppressed(topic_id: int, chain: list[int], channel: Channel) -> int:
    """Those among them whose address is suppressed: few, and looked up from the suppressions."""
    address = "email" if channel == Channel.EMAIL else "phone"
    suppressions = Suppression.objects.filter(channel=channel).values("address")
    consents = Exists(Preference.objects.filter(client=OuterRef("pk"), topic=topic_id, **{channel.value: True}))
    new = Client.objects.active().filter(consents, ~_in_chain(chain, channel, OuterRef("pk")))
    return new.filter(**{f"{address}__in": suppressions}).count()


def wanting(*, topic_id: int, channel: Channel) -> QuerySet[Preference]:
    """The consents of those who could be sent something of this topic now."""
    address = "client__email" if channel == Channel.EMAIL else "client__phone"
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef(address))
    consents = Preference.objects.filter(topic=topic_id, client__is_active=True, **{channel.value: True})
    return consents.filter(~Exists(suppressed), **{f"{address}__isnull": False})


def find_existing(*, broadcast_id: int, token: uuid.UUID) -> Broadcast | None:
    """What `create` has made of this token."""
    return Broadcast.objects.filter(request_id=_request_id(broadcast_id, token)).first()


def _request_id(broadcast_id: int, token: uuid.UUID) -> uuid.UUID:
    return uuid.uuid5(token, f"follows {broadcast_id}")


def create(
    *, broadcast_id: int, token: uuid.UUID, by: User | None, now: datetime, is_critical: bool = False
) -> Broadcast:
    """A broadcast of the same frozen text to all who did not get that one; raises `FollowUpError`.

    It is critical only where that is said anew, whatever the one before it was.

    The same token returns what it made the first time, however often it comes.
    """
    with transaction.atomic():
        # Whoever sends some of it again locks it too: either they reopen it first, or they find that it is followed.
        original = Broadcast.objects.select_for_update(no_key=True).get(pk=broadcast_id)
        if earlier := find_existing(broadcast_id=broadcast_id, token=token):
            return earlier
        check(broadcast=original)
        return _start(
            original, request_id=_request_id(broadcast_id, token), by=by, now=now, terms=Terms(is_critical=is_critical)
        )


def _start(original: Broadcast, *, request_id: uuid.UUID, by: User | None, now: datetime, terms: Terms) -> Broadcast:
    """As any other broadcast begins: at once, or once a second person has approved it."""
    values = lifecycle.initial_columns(needs_approval=_needs_approval(original, by), terms=terms, now=now)
    return Broadcast.objects.create(
        follows=original,
        notification_id=original.notification_id,
        topic_id=original.topic_id,
        subject=original.subject,
        email_body=original.email_body,
        sms_body=original.sms_body,
        text_of=original.text_of,
        request_id=request_id,
        created_by=by,
        **values,
    )


def _needs_approval(original: Broadcast, by: User | None) -> bool:
    if settings.APPROVAL_ABOVE is None or by is None:
        return False
    return asks_for_approval(number=sum(one.recipients for one in missing(broadcast=original)), by=by)


def asks_for_approval(*, number: int, by: User | None) -> bool:
    """Whether a follow-up of so many messages waits for a second person; nobody asks the command line."""
    return settings.APPROVAL_ABOVE is not None and by is not None and number > settings.APPROVAL_ABOVE
