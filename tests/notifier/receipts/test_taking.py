"""Receipts in any order, doubled, late, before our own settle, and for deliveries that there are not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.clients import erasure
from notifier.delivery import recovery, sweeps
from notifier.delivery.settlements import Verdict
from notifier.models import Broadcast, Channel, Delivery, Receipt, ReceiptCounts
from notifier.receipts import proofs, taking
from notifier.receipts.taking import Told
from tests.notifier.delivery.calls import claim, fresh, settle
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Receipt.State
SECOND = timedelta(seconds=1)


def told(row: Delivery, state: Receipt.State, *, at: datetime, **fields: Any) -> Told:
    values: dict[str, Any] = {
        "reference": f"{row.broadcast_id}.{row.pk}",
        "channel": Channel(row.channel),
        "provider": "twilio",
    }
    return Told(**values | {"state": state, "at": at, **fields})


def take(*receipts: Told, now: datetime) -> int:
    return taking.take(receipts, now=now)


def a_sent_one(**fields: Any) -> Delivery:
    return a_delivery(**{"state": Delivery.State.SENT, "channel": Channel.SMS, "provider_id": "SM1"} | fields)


def kept(row: Delivery) -> tuple[str, datetime, str, datetime | None]:
    receipt = Receipt.objects.get(delivery=row)
    return receipt.state, receipt.at, receipt.code, receipt.delivered_at


# --- Order ------------------------------------------------------------------------------------------------------------
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_shuffled_doubled_and_late_receipts_end_as_those_in_order(now: datetime, data: st.DataObject) -> None:
    """By a model in Python: the last state of `Receipt.State`, since when it was first true, and the first delivery."""
    broadcast = a_broadcast()
    rows = [a_sent_one(broadcast=broadcast) for _ in range(3)]
    one = st.builds(
        told,
        st.sampled_from(rows),
        st.sampled_from(State),
        at=st.integers(0, 4).map(lambda seconds: now - seconds * SECOND),
        code=st.sampled_from(["", "30005", "30003"]),
    )
    receipts = data.draw(st.lists(one, min_size=1, max_size=10))
    shuffled = data.draw(st.permutations([*receipts, *data.draw(st.lists(st.sampled_from(receipts), max_size=6))]))
    late = now + timedelta(days=3)

    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        take(*shuffled[:size], now=late)
        shuffled = shuffled[size:]

    for row in rows:
        own = [receipt for receipt in receipts if receipt.reference.endswith(f".{row.pk}")]
        if own:
            assert kept(row) == expected(own)
        else:
            assert not Receipt.objects.filter(delivery=row).exists()
    before = list(Receipt.objects.order_by("pk").values())
    assert take(*receipts, now=late) == 0
    assert list(Receipt.objects.order_by("pk").values()) == before


def expected(receipts: Sequence[Told]) -> tuple[str, datetime, str, datetime | None]:
    order = list(State)
    last = max(receipts, key=lambda receipt: order.index(receipt.state)).state
    first = min((receipt for receipt in receipts if receipt.state == last), key=lambda one: (one.at, one.code))
    delivered = [receipt.at for receipt in receipts if receipt.state == State.DELIVERED]
    return last, first.at, first.code, min(delivered, default=None)


def test_a_sent_after_delivered_changes_nothing(now: datetime) -> None:
    row = a_sent_one()

    assert take(told(row, State.DELIVERED, at=now), now=now) == 1
    assert take(told(row, State.ACCEPTED, at=now + SECOND), now=now + SECOND) == 0

    assert kept(row) == (State.DELIVERED, now, "", now)


def test_a_bounce_after_delivered_is_kept_and_shown(now: datetime) -> None:
    row = a_sent_one(channel=Channel.EMAIL)
    take(told(row, State.DELIVERED, at=now), now=now)

    take(told(row, State.BOUNCED, at=now + SECOND, code="5.1.1"), now=now + SECOND)

    assert kept(row) == (State.BOUNCED, now + SECOND, "5.1.1", now)
    assert Receipt.objects.get().is_bounce_after_delivery


def test_the_same_bounce_before_delivered_ends_as_the_same(now: datetime) -> None:
    row = a_sent_one(channel=Channel.EMAIL)
    take(told(row, State.BOUNCED, at=now + SECOND, code="5.1.1"), now=now + SECOND)

    take(told(row, State.DELIVERED, at=now), now=now + 2 * SECOND)

    assert kept(row) == (State.BOUNCED, now + SECOND, "5.1.1", now)


def test_a_moment_that_has_not_come_is_the_one_at_which_we_were_told(now: datetime) -> None:
    row = a_sent_one()

    take(told(row, State.DELIVERED, at=now + timedelta(days=400)), now=now)

    assert kept(row)[1] == now


# --- What it is for ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reference", ["", "1", "x.y", ".", "1.", "0.0", "test.5", "9" * 30 + ".1", "1." + "9" * 30])
def test_what_names_no_delivery_is_passed_over(now: datetime, reference: str) -> None:
    nobodys = Told(reference=reference, channel=Channel.SMS, state=State.DELIVERED, at=now, provider="twilio")

    assert take(nobodys, now=now) == 0

    assert not Receipt.objects.exists()
    assert not ReceiptCounts.objects.exists()


def test_one_of_another_broadcast_or_channel_is_passed_over_and_the_others_are_taken(now: datetime) -> None:
    row, other = a_sent_one(), a_sent_one()
    wrong = Told(
        reference=f"{other.broadcast_id}.{row.pk}", channel=Channel.SMS, state=State.BOUNCED, at=now, provider="twilio"
    )
    by_mail = told(row, State.BOUNCED, at=now)

    assert take(wrong, told(row, State.DELIVERED, at=now), now=now) == 1
    object.__setattr__(by_mail, "channel", Channel.EMAIL)
    assert take(by_mail, now=now) == 0

    assert kept(row)[0] == State.DELIVERED


def test_an_erased_clients_receipt_is_kept_without_what_the_message_was_called(now: datetime) -> None:
    row = a_sent_one(provider_id="")
    erasure.erase(client_id=row.client_id, by=None, why="they asked", now=now)

    take(told(row, State.UNDELIVERED, at=now, code="30005", provider_id="SM9"), now=now)

    receipt = Receipt.objects.get()
    assert (receipt.state, receipt.code, receipt.provider_id) == (State.UNDELIVERED, "30005", "")
    assert fresh(row).provider_id == ""


@pytest.mark.parametrize("code", ["ann@example.com", "550 no such user", "+12025550123", "x" * 41, "\0", "5.1.1\n"])
def test_a_code_that_is_none_is_not_kept(now: datetime, code: str) -> None:
    row = a_sent_one()

    take(told(row, State.UNDELIVERED, at=now, code=code), now=now)

    assert kept(row)[2] == ""


# --- What it proves ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", State)
def test_unknown_is_settled_by_any_receipt(now: datetime, state: Receipt.State) -> None:
    broadcast = a_broadcast(state=Broadcast.State.FINISHED, finished_at=now, tallied_at=now)
    row = a_sent_one(broadcast=broadcast, state=Delivery.State.UNKNOWN, detail="its answer was lost", provider_id="")

    take(told(row, state, at=now, provider_id="SM7"), now=now + SECOND)

    after = fresh(row)
    assert (after.state, after.provider_id, after.due_at) == (Delivery.State.SENT, "SM7", None)
    assert after.settled_at == row.settled_at
    assert after.detail == "a receipt from twilio proves that it was taken"
    assert Receipt.objects.get().is_proof
    broadcast.refresh_from_db()
    assert broadcast.tallied_at is None


@pytest.mark.parametrize("state", [Delivery.State.PENDING, Delivery.State.RETRYING])
def test_what_was_taken_at_the_try_before_is_not_sent_again(now: datetime, state: Delivery.State) -> None:
    """The provider answered 500, and had taken it."""
    row = a_sent_one(state=state, attempts=1)

    take(told(row, State.DELIVERED, at=now), now=now)

    after = fresh(row)
    assert (after.state, after.due_at, after.settled_at) == (Delivery.State.SENT, None, now)
    assert claim(row, now=now).messages == []


@pytest.mark.parametrize(
    "state", [Delivery.State.FAILED, Delivery.State.SKIPPED, Delivery.State.CANCELLED, Delivery.State.SENT]
)
def test_other_states_stay(now: datetime, state: Delivery.State) -> None:
    row = a_sent_one(state=state, detail="as it was")

    take(told(row, State.DELIVERED, at=now), now=now)

    assert (fresh(row).state, fresh(row).detail) == (state, "as it was")
    assert not Receipt.objects.get().is_proof


def test_what_staff_chose_to_send_again_is_sent(now: datetime) -> None:
    row = a_sent_one(state=Delivery.State.PENDING, attempts=0)

    take(told(row, State.ACCEPTED, at=now), now=now)

    assert [message.delivery_id for message in claim(row, now=now).messages] == [row.pk]


def test_a_late_result_of_the_claim_changes_nothing_more(now: datetime) -> None:

    row = a_delivery(channel=Channel.SMS)
    taken = claim(row, now=now)
    Delivery.objects.filter(pk=row.pk).update(state=Delivery.State.UNKNOWN, due_at=None, settled_at=now)
    take(told(row, State.DELIVERED, at=now), now=now)

    assert settle(taken, Verdict.PERMANENT, now=now, detail="refused") == 0
    assert fresh(row).state == Delivery.State.SENT


def test_sent_again_it_waits_for_a_receipt_of_its_own(now: datetime) -> None:
    row = a_sent_one(state=Delivery.State.FAILED, detail="refused", broadcast=a_broadcast(started_at=now))
    take(told(row, State.UNDELIVERED, at=now), now=now)

    again = recovery.send_again(deliveries=Delivery.objects.filter(pk=row.pk), by=None, why="", now=now)

    assert again.number == 1
    assert not Receipt.objects.exists()


# --- Before our own settle --------------------------------------------------------------------------------------------
def test_a_receipt_before_the_settle_waits_for_it(now: datetime) -> None:

    row = a_delivery(channel=Channel.SMS)
    taken = claim(row, now=now)

    take(told(row, State.DELIVERED, at=now), now=now)

    assert fresh(row).state == Delivery.State.SENDING
    assert proofs.settle_early(now=now) == 0
    assert Receipt.objects.get().is_early
    settle(taken, Verdict.SENT, now=now, provider_id="SM1")
    assert proofs.settle_early(now=now) == 0
    receipt = Receipt.objects.get()
    assert (receipt.is_early, receipt.is_proof) == (False, False)


def test_a_receipt_from_a_killed_consumers_window_settles_it_once_its_lease_is_over(now: datetime) -> None:

    row = a_delivery(channel=Channel.SMS)
    ends_at = claim(row, now=now).lease_ends_at
    take(told(row, State.DELIVERED, at=now, provider_id="SM7"), now=now)

    sweeps.sweep(now=ends_at + SECOND)
    assert fresh(row).state == Delivery.State.UNKNOWN
    assert proofs.settle_early(now=ends_at + SECOND) == 1

    assert (fresh(row).state, fresh(row).provider_id) == (Delivery.State.SENT, "SM7")
    receipt = Receipt.objects.get()
    assert (receipt.is_early, receipt.is_proof) == (False, True)
    assert proofs.settle_early(now=ends_at + SECOND) == 0


def test_a_temporary_failure_after_an_early_receipt_is_not_tried_again(now: datetime) -> None:

    row = a_delivery(channel=Channel.SMS)
    taken = claim(row, now=now)
    take(told(row, State.ACCEPTED, at=now), now=now)
    settle(taken, Verdict.TEMPORARY, now=now, detail="500 from the SMS provider")

    assert proofs.settle_early(now=now) == 1

    assert (fresh(row).state, fresh(row).due_at) == (Delivery.State.SENT, None)


# --- What the dispatcher is told --------------------------------------------------------------------------------------
def test_the_dispatcher_is_told_once_in_a_while(now: datetime) -> None:
    row = a_sent_one()

    take(told(row, State.ACCEPTED, at=now), now=now)
    take(told(row, State.DELIVERED, at=now), now=now + SECOND)
    assert ReceiptCounts.objects.get().told_at == now

    take(told(row, State.BOUNCED, at=now), now=now + taking.TOLD_EVERY)
    counts = ReceiptCounts.objects.get()
    assert (counts.told_at, counts.due_at) == (now + taking.TOLD_EVERY, now + taking.TOLD_EVERY)


def test_after_a_count_that_ended_it_is_told_at_once(now: datetime) -> None:
    row = a_sent_one()
    take(told(row, State.ACCEPTED, at=now), now=now)
    ReceiptCounts.objects.update(due_at=None)

    take(told(row, State.DELIVERED, at=now), now=now + SECOND)

    assert ReceiptCounts.objects.get().due_at == now + SECOND
