"""Counting the deliveries of a broadcast for pages to read, and ending it once nothing is left to do."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from notifier.models import Broadcast, Delivery
from notifier.policies import quiet_hours_sql, throughput
from notifier.receipts import standing
from notifier.runtime import failpoints

State = Delivery.State
SETTLED = Delivery.SETTLED

#: The rate is measured between two tallies that lie at most this far apart.
RATE_SPAN = timedelta(seconds=30)
#: How much the newest measurement weighs in the rate: it follows a change within a few seconds and does not jump.
RATE_WEIGHT = 0.4

# One statement, and so one snapshot: the audience and the rows that it must equal, however much is going on.
# About 145 ms for a million rows on PostgreSQL, 440 ms on SQLite.
_COUNT = f"""
    SELECT channel, state, COUNT(*), (SELECT audience FROM {Broadcast._meta.db_table} WHERE id = %s),
           COUNT(*) FILTER (WHERE {{waits}}), MIN(due_at) FILTER (WHERE {{waits}})
    FROM {Delivery._meta.db_table} WHERE broadcast_id = %s GROUP BY channel, state
"""  # noqa: S608
# Rows that wait for the end of quiet hours. Rows that are in a ticket again have no token any more.
_WAITS = f"state = '{State.PENDING}' AND lease_token IS NOT NULL AND due_at > %s AND detail = '{quiet_hours_sql.WAITS}'"


def tally(*, broadcast_id: int, now: datetime) -> None:
    """Count the deliveries by channel and state and write the tally, for pages to read."""
    before = (
        Broadcast.objects.filter(pk=broadcast_id).values("tally", "tallied_at", "started_at", "finished_at").first()
    )
    if before is None:
        return
    if before["finished_at"]:
        _recount(broadcast_id, now)
        return
    counted = _count(broadcast_id, now) | standing.expected()
    counted["rate"] = _rate(before["tally"], before["tallied_at"], counted, now)
    counted |= _throughput(before["tally"], before["tallied_at"] or before["started_at"], counted, now)
    same = Broadcast.objects.filter(pk=broadcast_id, tallied_at=before["tallied_at"])
    same.update_unlocked(tally=counted, tallied_at=now)
    failpoints.reached("tally.committed")


def _recount(broadcast_id: int, now: datetime) -> None:
    """Make the last tally of a broadcast that has ended once more, after whoever changes its deliveries now.

    They lock its row until they commit. Without waiting, their request for a new tally would be lost: none follows.
    """
    with transaction.atomic():
        ended = Broadcast.objects.filter(pk=broadcast_id, tallied_at=None).exclude(finished_at=None)
        if broadcast := ended.select_for_update(skip_locked=True).first():
            counted = _count(broadcast_id, now) | {"rate": 0.0}
            counted |= _throughput(broadcast.tally, None, counted, now)
            counted |= {key: broadcast.tally[key] for key in (standing.EXPECTED,) if key in broadcast.tally}
            ended.update(tally=counted, tallied_at=now, days_counted_at=None)
    failpoints.reached("tally.committed")


def finish(*, broadcast_id: int, now: datetime) -> bool:
    """End a running broadcast that is expanded and has nothing left to do, or a cancelled one; True if it ended.

    It locks first and looks second, in two statements. In one, PostgreSQL looks with the snapshot from before the lock,
    and can end a broadcast over a row that staff have just retried.
    """
    if Delivery.objects.active().filter(broadcast=broadcast_id).exists():  # spares the lock while work is going on
        return False
    with transaction.atomic():
        broadcast = Broadcast.objects.to_finish().select_for_update(skip_locked=True).filter(pk=broadcast_id).first()
        if broadcast is None or Delivery.objects.active().filter(broadcast=broadcast_id).exists():
            return False
        failpoints.reached("finish.locked")
        if broadcast.state == Broadcast.State.RUNNING:
            broadcast.state = Broadcast.State.FINISHED
        counted = _count(broadcast_id, now) | standing.expected() | {"rate": 0.0}
        counted |= _throughput(broadcast.tally, broadcast.tallied_at or broadcast.started_at, counted, now)
        broadcast.finished_at = broadcast.tallied_at = now
        broadcast.tally = counted
        broadcast.days_counted_at = None
        broadcast.save(update_fields=["state", "finished_at", "tally", "tallied_at", "days_counted_at"])
    failpoints.reached("finish.committed")
    return True


def _count(broadcast_id: int, now: datetime) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = {}
    waiting: dict[str, dict[str, Any]] = {}
    audience = 0
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT.format(waits=_WAITS), [broadcast_id, moment, moment, broadcast_id])
        for channel, state, number, audience, late, first in cursor.fetchall():  # noqa: B007  (the same in each row)
            counts.setdefault(channel, {})[state] = number
            if late:
                waiting[channel] = {"number": late, "until": _aware(first).isoformat()}
    return {"audience": audience, "counts": counts} | ({"waiting": waiting} if waiting else {})


def _aware(moment: datetime | str) -> datetime:
    """The moment with its zone: SQLite returns UTC without one."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def settled(tally: dict[str, Any]) -> int:
    """How many deliveries of a tally are settled."""
    return sum(states.get(state, 0) for states in tally.get("counts", {}).values() for state in SETTLED)


def _throughput(before: dict[str, Any], since: datetime | None, after: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The tally's throughput; nothing is added where the tally before lies too far back."""
    is_measured = since is not None and timedelta() < now - since <= RATE_SPAN
    seconds = (now - since).total_seconds() if since is not None and is_measured else 0.0
    return throughput.grown(before=before, after=after, seconds=seconds)


def _rate(before: dict[str, Any], before_at: datetime | None, after: dict[str, Any], now: datetime) -> float:
    """Deliveries settled a second, smoothed."""
    if before_at is None or not timedelta() < now - before_at <= RATE_SPAN:
        return 0.0
    newest = max(0, settled(after) - settled(before)) / (now - before_at).total_seconds()
    earlier = before.get("rate", 0.0)
    return round(newest if not earlier else earlier + RATE_WEIGHT * (newest - earlier), 1)
