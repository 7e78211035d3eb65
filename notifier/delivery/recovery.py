"""Decisions of staff about deliveries that ended badly: mark them as sent, or send them again.

Who decided, when and why is recorded. The work is done in chunks, one transaction each, so a decision may be about a
million deliveries. Each transaction also records what it changed: after a crash the record is true as far as it goes,
and the decision may be repeated.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from notifier.delivery import obstacles
from notifier.delivery.obstacles import OPEN_BROADCASTS, RESOLVABLE, Obstacle
from notifier.models import Broadcast, Channel, Client, Delivery, Receipt, Resolution, ResolvedDelivery

Action = Resolution.Action
State = Delivery.State

#: Rows in one transaction: a late result, or the end of the broadcast, waits for that long.
CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Resolvable:
    """What a decision would change now, by what the deliveries are; and how many it would leave, and why."""

    counts: Mapping[Delivery.State, int]
    left: Mapping[Obstacle, int]

    @property
    def number(self) -> int:
        return sum(self.counts.values())

    @property
    def unknown(self) -> int:
        return self.counts.get(State.UNKNOWN, 0)


@dataclass(frozen=True, slots=True)
class Resolved:
    """How many deliveries a decision changed, and how many it left, by the reason."""

    number: int = 0
    left: Counter[Obstacle] = field(default_factory=Counter)


def count_resolvable(*, action: str, deliveries: QuerySet[Delivery], now: datetime) -> Resolvable:
    """Exact at this moment. Those that are sent take longest: 0.1 s a million on PostgreSQL, and a second on SQLite."""
    counts: Counter[Delivery.State] = Counter()
    left: Counter[Obstacle] = Counter()
    grouped = _grouped(deliveries)
    by_broadcast = _obstacles_by_broadcast(action, {broadcast for _, broadcast, _ in grouped}, now)
    for state, broadcast, number in grouped:
        of_broadcast, is_followed = by_broadcast[broadcast]
        if obstacle := obstacles.of_delivery(action, State(state), of_broadcast, is_followed=is_followed):
            left[obstacle] += number
        else:
            counts[State(state)] += number
    if counts[State.SKIPPED] and (unreachable := obstacles.unreachable(deliveries, now)):
        counts[State.SKIPPED] -= unreachable
        left[Obstacle.NO_ADDRESS] = unreachable
    # A Counter would answer a template that asks for `items` with 0.
    return Resolvable(dict(+counts), dict(left))


def _grouped(deliveries: QuerySet[Delivery]) -> list[tuple[str, int, int]]:
    """How many there are, as (state, broadcast, number), in one statement, so that no row that changes counts twice.

    Rows that ended badly and rows under way have their own indexes; only SENT rows are searched for among all. One
    GROUP BY over all rows took twice as long.
    """
    numbers = deliveries.order_by().values_list("state", "broadcast_id").annotate(number=Count("*"))
    unsent, under_way = numbers.filter(state__in=Delivery.UNSENT), numbers.filter(due_at__isnull=False)
    rest = numbers.filter(due_at__isnull=True).exclude(state__in=Delivery.UNSENT)
    return list(unsent.union(under_way.exclude(state__in=Delivery.UNSENT), rest, all=True))


def _obstacles_by_broadcast(
    action: str, broadcast_ids: Collection[int], now: datetime
) -> dict[int, tuple[Obstacle | None, bool]]:
    """For each broadcast, what stands in the way of its deliveries, and whether it was followed up."""
    found = Broadcast.objects.filter(pk__in=broadcast_ids).values_list("pk", "state", "expires_at", "followed_by")
    return {
        pk: (
            obstacles.of_broadcast(action, state, is_expired=bool(expires_at and expires_at <= now)),
            follower is not None,
        )
        for pk, state, expires_at, follower in found
    }


def mark_as_sent(*, deliveries: QuerySet[Delivery], by: User | None, why: str, now: datetime) -> Resolved:
    """Settle those of `deliveries` that are UNKNOWN or FAILED as SENT, e.g. because the provider's own log shows them.

    That is final: a late result of their claim changes nothing any more.
    """
    return _resolve(Resolution(action=Action.MARKED_SENT, by=by, why=why, at=now), deliveries)


def send_again(*, deliveries: QuerySet[Delivery], by: User | None, why: str, now: datetime) -> Resolved:
    """Give those of `deliveries` that are UNKNOWN, FAILED or SKIPPED a fresh start, and reopen their broadcasts.

    The next claim checks consent, suppression and archiving again, so this overrides nothing that a client wants.
    """
    return _resolve(Resolution(action=Action.SENT_AGAIN, by=by, why=why, at=now), deliveries)


class _LockedRow(NamedTuple):
    """A locked delivery."""

    id: int
    broadcast_id: int
    address: str
    state: str


def _resolve(resolution: Resolution, deliveries: QuerySet[Delivery]) -> Resolved:
    candidates = deliveries.filter(state__in=RESOLVABLE[resolution.action]).order_by("pk")
    number, left, last = 0, Counter[Obstacle](), 0
    # In the order of ids, so that rows that can't be changed, or were changed back meanwhile, don't come twice.
    while chunk := dict(candidates.filter(pk__gt=last).values_list("pk", "broadcast_id")[:CHUNK]):
        last = max(chunk)
        with transaction.atomic():
            found, kept = _take(resolution, candidates, chunk)
            number += _change(resolution, found)
        left += kept
    return Resolved(number, left)


def _take(
    resolution: Resolution, candidates: QuerySet[Delivery], chunk: Mapping[int, int]
) -> tuple[list[_LockedRow], Counter[Obstacle]]:
    """Lock those that the decision may change, and count why it leaves the others. `chunk`: delivery → broadcast."""
    # The broadcasts are locked first, in the order of their ids: `finish` then skips them, or has already ended them.
    broadcasts = Broadcast.objects.filter(pk__in=set(chunk.values())).order_by("pk").select_for_update(no_key=True)
    of_broadcasts = {
        pk: obstacles.of_broadcast(
            resolution.action, state, is_expired=bool(expires_at and expires_at <= resolution.at)
        )
        for pk, state, expires_at in broadcasts.values_list("pk", "state", "expires_at")
    }
    in_the_way = {pk: of_broadcasts[broadcast] for pk, broadcast in chunk.items()}
    left = Counter(obstacle for obstacle in in_the_way.values() if obstacle)
    free = [pk for pk, obstacle in in_the_way.items() if not obstacle]
    # A late result has locked its row and waits for the broadcast. Waiting for that row would be a deadlock, and staff
    # need not decide about it any more.
    rows = candidates.filter(pk__in=free).select_for_update(of=("self",), skip_locked=True)
    found = list(map(_LockedRow._make, rows.values_list("pk", "broadcast_id", "address", "state")))
    left[Obstacle.CHANGED] = len(free) - len(found)
    if resolution.action == Action.SENT_AGAIN:
        found, taken_over = _without_followed(found)
        left[Obstacle.FOLLOWED] = len(taken_over)
        reachable = _with_address([row.id for row in found if not row.address])
        left[Obstacle.NO_ADDRESS] = sum(not row.address for row in found) - len(reachable)
        found = [row for row in found if row.address or row.id in reachable]
    return found, +left


def _without_followed(rows: list[_LockedRow]) -> tuple[list[_LockedRow], set[_LockedRow]]:
    """The rows without those that a follow-up has taken over, and those: sent again, they would reach a client twice.

    A follow-up leaves out what was UNKNOWN. This is asked after the locks, which making a follow-up takes first.
    """
    numbers = {row.broadcast_id for row in rows}
    followed = set(Broadcast.objects.filter(follows__in=numbers).values_list("follows_id", flat=True))
    taken_over = {row for row in rows if row.broadcast_id in followed and row.state != State.UNKNOWN}
    return [row for row in rows if row not in taken_over], taken_over


def _change(resolution: Resolution, rows: Sequence[_LockedRow]) -> int:
    """Change the rows and record it in the same transaction, so that the recorded number is always true."""
    if not rows:
        return 0
    if resolution.pk is None:
        resolution.save()
    ids = [row.id for row in rows]
    _record(resolution, ids)
    changeable = Delivery.objects.filter(pk__in=ids, state__in=RESOLVABLE[resolution.action])
    number = changeable.update(**_columns(resolution))
    if resolution.action == Action.SENT_AGAIN:
        # What became of the try before says nothing of the next one.
        Receipt.objects.filter(pk__in=ids).delete()
    Resolution.objects.filter(pk=resolution.pk).update(number=F("number") + number)
    _tell_broadcasts(resolution, {row.broadcast_id for row in rows})
    return number


# Without making a million objects it takes half the time.
_RECORD = f"""
    INSERT INTO {ResolvedDelivery._meta.db_table} (resolution_id, delivery_id, state_before, detail_before)
    SELECT %s, id, state, detail FROM {Delivery._meta.db_table} WHERE id IN ({{ids}})
"""  # noqa: S608


def _record(resolution: Resolution, delivery_ids: Sequence[int]) -> None:
    """Record what each delivery is now, before it changes."""
    with connection.cursor() as cursor:
        cursor.execute(_RECORD.format(ids=", ".join(str(int(pk)) for pk in delivery_ids)), [resolution.pk])


def _columns(resolution: Resolution) -> dict[str, Any]:
    if resolution.action == Action.MARKED_SENT:
        by = resolution.by.get_username() if resolution.by else "the command line"
        return {
            "state": State.SENT,
            "detail": f"marked as sent by {by}: {resolution.why}"[:300],
            "due_at": None,
            "settled_at": Coalesce("settled_at", Value(resolution.at)),
        }
    return {
        "state": State.PENDING,
        "due_at": resolution.at,
        "attempts": 0,
        # A consumer that still has the old claim is too late: its result would need this token.
        "lease_token": None,
        "detail": "",
        "provider_id": "",
        "settled_at": None,
    }


def _tell_broadcasts(resolution: Resolution, broadcast_ids: Collection[int]) -> None:
    broadcasts = Broadcast.objects.filter(pk__in=broadcast_ids)
    if resolution.action == Action.SENT_AGAIN:
        again = broadcasts.filter(state__in=OPEN_BROADCASTS)
        again.update(state=Broadcast.State.RUNNING, finished_at=None, days_counted_at=None)
    else:
        # The last tally of a broadcast that has ended is no longer true. Other broadcasts are counted all the time.
        broadcasts.exclude(finished_at=None).update(tallied_at=None)


def _with_address(delivery_ids: Collection[int]) -> set[int]:
    """Give these the address that their client has today; returns the ids of those that have one now."""
    if not delivery_ids:
        return set()
    # Only what was skipped for want of an address has none.
    rows = Delivery.objects.filter(pk__in=delivery_ids)
    for channel in Channel:
        address = Client.objects.filter(pk=OuterRef("client_id")).values(channel.address_field)
        rows.filter(channel=channel).update(address=Coalesce(Subquery(address), Value("")))
    return set(rows.exclude(address="").values_list("pk", flat=True))
