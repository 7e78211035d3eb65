import time
from datetime import datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from notifier.delivery import tallies
from notifier.models import Broadcast, Channel, Delivery, Receipt, ReceiptCounts
from notifier.receipts import counting, standing, taking
from notifier.receipts.standing import ChannelReceipts, Standing
from notifier.receipts.taking import Told
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Receipt.State
SECOND = timedelta(seconds=1)


def some_sent(broadcast: Broadcast, number: int, *, state: str = "SENT") -> list[Delivery]:
    return [a_delivery(broadcast=broadcast, channel=Channel.SMS, state=state) for _ in range(number)]


def take(row: Delivery, state: Receipt.State, now: datetime) -> None:
    reference = f"{row.broadcast_id}.{row.pk}"
    told = Told(reference=reference, channel=Channel(row.channel), state=state, at=now, provider="twilio")
    taking.take([told], now=now)


def test_receipts_are_counted_by_channel_and_state_and_proofs_apart(now: datetime) -> None:
    broadcast = a_broadcast(tally={"counts": {"sms": {"SENT": 7}}})
    rows = some_sent(broadcast, 6)
    (unknown,) = some_sent(broadcast, 1, state="UNKNOWN")
    told = [*State, State.DELIVERED]
    for row, state in zip(rows, told, strict=True):
        take(row, state, now)
    take(unknown, State.ACCEPTED, now)
    take(a_delivery(channel=Channel.SMS, state="SENT"), State.BOUNCED, now)

    assert counting.count_due(now=now) == 2

    assert standing.of_broadcast(broadcast) == [
        ChannelReceipts(Channel.SMS, sent=7, arrived=3, missed=2, complained=1, proven=1)
    ]
    assert standing.of_broadcast(broadcast)[0].waiting == 2


def test_counts_go_on_until_nothing_was_told_for_a_while(now: datetime) -> None:
    first, second = some_sent(a_broadcast(), 2)
    take(first, State.ACCEPTED, now)
    counting.count_due(now=now)
    # It finds the dispatcher told, so it writes nothing there.
    take(second, State.DELIVERED, now + SECOND)

    assert counting.count_due(now=now + SECOND) == 0
    assert counting.count_due(now=now + counting.COUNT_EVERY) == 1
    assert ReceiptCounts.objects.get().counts == {"sms": {"ACCEPTED": 1, "DELIVERED": 1}}

    assert counting.count_due(now=now + counting.SETTLED_AFTER) == 1
    assert ReceiptCounts.objects.get().due_at is None
    assert counting.count_due(now=now + timedelta(days=1)) == 0


def test_a_receipt_days_later_is_counted(now: datetime) -> None:
    (row,) = some_sent(a_broadcast(), 1)
    take(row, State.DELIVERED, now)
    counting.count_due(now=now + counting.SETTLED_AFTER)
    later = now + timedelta(days=3)

    take(row, State.BOUNCED, later)

    assert counting.count_due(now=later) == 1
    assert ReceiptCounts.objects.get().counts == {"sms": {"BOUNCED": 1}}


def test_a_receipt_that_comes_while_it_is_counted_keeps_it_due(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = some_sent(a_broadcast(), 2)
    take(first, State.ACCEPTED, now)
    late = now + timedelta(minutes=5)
    clock = time.monotonic

    def while_counting() -> float:
        if Receipt.objects.count() == 1:
            take(second, State.DELIVERED, late)
        return clock()

    monkeypatch.setattr(time, "monotonic", while_counting)
    counting.count_due(now=late)

    assert ReceiptCounts.objects.get().due_at is not None


@pytest.mark.parametrize(
    ("word", "expected"), [("arrived", {0, 1}), ("missed", {2}), ("waiting", {3, 4}), ("x", set())]
)
def test_the_list_of_a_broadcast_is_narrowed(now: datetime, word: str, expected: set[int]) -> None:
    broadcast = a_broadcast()
    rows = [*some_sent(broadcast, 5), *some_sent(broadcast, 1, state="FAILED")]
    for row, state in zip(rows, (State.DELIVERED, State.COMPLAINED, State.UNDELIVERED, State.ACCEPTED), strict=False):
        take(row, state, now)
    others = some_sent(a_broadcast(), 1)
    take(others[0], State.DELIVERED, now)

    found = standing.narrowed(Delivery.objects.filter(broadcast=broadcast), word, broadcast_id=broadcast.pk)

    assert {rows.index(row) for row in found} == expected


def test_receipts_are_waited_for_where_they_were_expected_when_it_was_sent(now: datetime, settings: Settings) -> None:
    settings.SMS_RECEIPTS, settings.SMS_URL = False, "twilio://x:y@api.twilio.com/?from=+1"
    before = an_ended_one(now)
    settings.SMS_RECEIPTS = True
    after = an_ended_one(now)
    settings.SMS_RECEIPTS = False
    for broadcast in (before, after):
        Broadcast.objects.filter(pk=broadcast.pk).update(tallied_at=None)
        tallies.tally(broadcast_id=broadcast.pk, now=now)
        broadcast.refresh_from_db()

    assert standing.of_broadcast(before) == []
    assert standing.of_broadcast(after) == [
        ChannelReceipts(Channel.SMS, sent=7, arrived=0, missed=0, complained=0, proven=0)
    ]
    assert standing.of_broadcast(after)[0].count(Standing.WAITING) == 7


def an_ended_one(now: datetime) -> Broadcast:
    broadcast = a_broadcast(started_at=now, cursor=9, audience_upto=9)
    some_sent(broadcast, 7)
    tallies.tally(broadcast_id=broadcast.pk, now=now)
    assert tallies.finish(broadcast_id=broadcast.pk, now=now)
    broadcast.refresh_from_db()
    return broadcast
