"""Sending a broadcast's text once more, to those who want it now and did not get it.

Nobody gets it twice. A broadcast is followed at most once, after it has ended. From then on, what failed or was skipped
in it is not sent again (see `delivery.recovery`), so it can't go out beside the follow-up.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from notifier.broadcasts import acts, audience, chains, lifecycle, staff_mails
from notifier.broadcasts.acts import Act
from notifier.broadcasts.send_options import SendOptions
from notifier.models import Broadcast, Channel, Client, Delivery, Preference, Suppression
from notifier.policies import landlines, sms_countries

State = Delivery.State
#: What became of a client's deliveries in a chain, for those who did not get it.
_OUTCOMES = {
    "unknown": Q(state=State.UNKNOWN),
    "under_way": Q(due_at__isnull=False),
    "failed": Q(state=State.FAILED),
    "cancelled": Q(state=State.CANCELLED),
    "skipped": Q(state=State.SKIPPED),
}


class FollowUpError(Exception):
    """There can be no follow-up; the text tells staff why."""


class NotEnded(FollowUpError):
    """Something of the broadcast may still go out."""


class FollowedAlready(FollowUpError):
    """The broadcast has a follow-up already; only that one can be followed now."""

    def __init__(self, follower: Broadcast) -> None:
        super().__init__(f"It has a follow-up already: {follower}. Continue from there.")
        self.follower = follower


@dataclass(frozen=True, slots=True)
class Missing:
    """How many clients want it on this channel now and did not get it, and why not; each client counts once."""

    channel: Channel
    failed: int
    skipped: int
    cancelled: int
    #: They consented or were added since, or the broadcast was cancelled before it reached them.
    new: int
    #: Left out, because it may have arrived.
    unknown: int
    #: Left out, because it may still arrive.
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
        raise NotEnded(f"{broadcast} has not finished yet. Wait until it has, or cancel it first.")


def missing(*, broadcast: Broadcast) -> list[Missing]:
    """Whom a follow-up would go to, exact at this moment.

    A client with several deliveries in the chain counts by the first of `_OUTCOMES` that one of them has.
    """
    chain = [broadcast.pk, *chains.others(broadcast_id=broadcast.pk, notification_id=broadcast.notification_id)]
    return [_missing(broadcast.topic_id, chain, channel) for channel in broadcast.channels]


def total(counted: Iterable[Missing]) -> int:
    """How many messages a follow-up would be."""
    return sum(missing.recipients for missing in counted)


def _missing(topic_id: int, chain: list[int], channel: Channel) -> Missing:
    wants = wanting(topic_id=topic_id, channel=channel)
    rows = Delivery.objects.filter(broadcast__in=chain, channel=channel)
    # Those who got it are many, and are not counted. The others have an index of their own.
    counts = {"new": _new(topic_id, chain, channel)}
    before = Q(state=State.SENT)
    for name, outcome in _OUTCOMES.items():
        counted = rows.filter(outcome, Exists(wants.filter(client=OuterRef("client_id"))))
        if len(chain) > 1:
            counted = counted.filter(~Exists(rows.filter(before, client=OuterRef("client_id"))))
        counts[name] = counted.aggregate(clients=Count("client", distinct=True))["clients"]
        before |= outcome
    return Missing(channel=channel, **counts)


def _new(topic_id: int, chain: list[int], channel: Channel) -> int:
    """How many clients want it and have no delivery in the chain."""
    if connection.vendor == "postgresql":
        with audience.along_the_indexes():
            return _merged(topic_id, chain, channel) - _left_out(topic_id, chain, channel)
    return wanting(topic_id=topic_id, channel=channel).filter(~_in_chain(chain, channel, OuterRef("client_id"))).count()


def _in_chain(chain: list[int], channel: Channel, client: OuterRef) -> Exists:
    return Exists(Delivery.objects.filter(broadcast__in=chain, channel=channel, client=client))


# Three indexes cover it, and are read in the order of the clients' ids; see `audience.along_the_indexes`. For a million
# clients and 250,000 deliveries it takes a sixth of the time of looking up each client.
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
    """The same number, but with suppressed addresses, numbers that SMS_COUNTRIES does not allow, and landlines."""
    statement = _MERGED.format(
        preferences=Preference._meta.db_table,
        clients=Client._meta.db_table,
        deliveries=Delivery._meta.db_table,
        channel=channel.value,
        address=channel.address_field,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [topic_id, chain, channel.value])
        return int(cursor.fetchone()[0])


def _left_out(topic_id: int, chain: list[int], channel: Channel) -> int:
    """How many of them have a suppressed address, found from the suppressions, which are few; or such a number."""
    suppressions = Suppression.objects.filter(channel=channel)
    address = channel.address_field
    consents = Exists(Preference.objects.filter(client=OuterRef("pk"), topic=topic_id, **{channel.value: True}))
    new = Client.objects.active().filter(consents, ~_in_chain(chain, channel, OuterRef("pk")))
    suppressed = new.filter(**{f"{address}__in": suppressions.values("address")}).count()
    refused, skipped = sms_countries.refused(channel=channel), landlines.skipped(channel=channel)
    free = new.filter(~Exists(suppressions.filter(address=OuterRef(address))))
    not_allowed = free.filter(refused).count() if refused else 0
    landline = free.filter(*skipped, *sms_countries.allowed(channel=channel)).count() if skipped else 0
    return suppressed + not_allowed + landline


def wanting(*, topic_id: int, channel: Channel) -> QuerySet[Preference]:
    """The consents of those who could be sent something of this topic now."""
    address = f"client__{channel.address_field}"
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef(address))
    consents = Preference.objects.filter(topic=topic_id, client__is_active=True, **{channel.value: True})
    allowed = sms_countries.allowed(channel=channel, client="client__")
    passing = landlines.passing(channel=channel, client="client__")
    return consents.filter(~Exists(suppressed), *allowed, *passing, **{f"{address}__isnull": False})


def find_existing(*, broadcast_id: int, token: uuid.UUID) -> Broadcast | None:
    """The follow-up that `create` made for this token, if any."""
    return Broadcast.objects.filter(request_id=_request_id(broadcast_id, token)).first()


def _request_id(broadcast_id: int, token: uuid.UUID) -> uuid.UUID:
    return uuid.uuid5(token, f"follows {broadcast_id}")


def create(
    *, broadcast_id: int, token: uuid.UUID, by: User | None, now: datetime, is_critical: bool = False
) -> Broadcast:
    """Make a broadcast of the same frozen text for all who did not get that one; raises `FollowUpError`.

    It is critical only if `is_critical`, whatever the broadcast before it was. A repeated token returns the follow-up
    that it made the first time.
    """
    if earlier := find_existing(broadcast_id=broadcast_id, token=token):
        return earlier
    # Before the lock: counting takes seconds, in which whoever decides about its deliveries would wait.
    original = Broadcast.objects.get(pk=broadcast_id)
    check(broadcast=original)
    needs_approval = lifecycle.needs_approval(by=by, sends=lambda: total(missing(broadcast=original)))
    with transaction.atomic():
        # `delivery.recovery` locks it too: either it reopens the broadcast first, or it finds that it is followed.
        original = Broadcast.objects.select_for_update(no_key=True).get(pk=broadcast_id)
        if earlier := find_existing(broadcast_id=broadcast_id, token=token):
            return earlier
        check(broadcast=original)
        values = lifecycle.initial_columns(
            needs_approval=needs_approval, options=SendOptions(is_critical=is_critical), now=now, by=by
        )
        # Like any other broadcast, it starts once it can't be undone any more, or after someone else has approved it.
        made = lifecycle.make(
            original,
            follows=original,
            notification_id=original.notification_id,
            text_of=original.text_of,
            brand=original.brand,
            request_id=_request_id(broadcast_id, token),
            created_by=by,
            **values,
        )
        if needs_approval:
            staff_mails.ask_approvers(broadcast=made, now=now)
        return made
