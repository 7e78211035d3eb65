import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from notifier.clients import erasure
from notifier.consent import suppressions
from notifier.consent.suppressions import Evidence, Source
from notifier.delivery import recovery, settlements, sweeps, tallies
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Broadcast, Channel, Delivery, Reason, Suppression, SuppressionChange
from tests.notifier.delivery.calls import claim, columns, fresh, settle
from tests.support.database.connections import OtherConnection
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
SECOND = timedelta(seconds=1)
concurrent = pytest.mark.django_db(transaction=True)


# --- Settle -----------------------------------------------------------------------------------------------------------
def test_what_was_sent_is_sent(now: datetime) -> None:
    row = a_delivery(detail="busy", attempts=2)
    taken = claim(row, now=now)

    settled = settle(taken, Verdict.SENT, now=now + SECOND, provider_id="SM1")

    assert settled == 1
    after = fresh(row)
    assert (after.state, after.attempts, after.provider_id, after.detail) == (State.SENT, 3, "SM1", "")
    assert (after.due_at, after.settled_at) == (None, now + SECOND)


def test_each_sent_row_gets_its_own_providers_id_cut_to_what_fits(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(3)]
    taken = claim(*rows, now=now)
    ids = ["first'; --", "", "x" * 300]
    outcomes = [Outcome(m, Verdict.SENT, provider_id=ids[n]) for n, m in enumerate(taken.messages)]

    assert settlements.settle(claim=taken, outcomes=outcomes, now=now) == 3

    assert [fresh(row).provider_id for row in rows] == ["first'; --", "", "x" * 100]


def test_a_permanent_failure_is_failed_with_its_reason(now: datetime) -> None:
    row = a_delivery()

    settle(claim(row, now=now), Verdict.PERMANENT, now=now, detail="550 no such user " + "x" * 400)

    after = fresh(row)
    assert (after.state, after.attempts, after.due_at, after.settled_at) == (State.FAILED, 1, None, now)
    assert after.detail.startswith("550 no such user")
    assert len(after.detail) == 300


def test_a_lost_answer_is_unknown_and_waits_for_staff(now: datetime) -> None:
    row = a_delivery()

    settle(claim(row, now=now), Verdict.UNKNOWN, now=now, detail="the connection broke after the text")

    after = fresh(row)
    assert (after.state, after.attempts, after.due_at, after.settled_at) == (State.UNKNOWN, 1, None, now)
    assert after.detail == "the connection broke after the text"


def test_a_temporary_failure_is_tried_again_after_a_doubling_wait(now: datetime, settings: Settings) -> None:
    settings.RETRY_BASE_SECONDS = 10
    row = a_delivery(attempts=2)

    settle(claim(row, now=now), Verdict.TEMPORARY, now=now, detail="451 busy")

    after = fresh(row)
    assert (after.state, after.attempts, after.detail, after.settled_at) == (State.RETRYING, 3, "451 busy", None)
    assert after.due_at is not None
    assert timedelta(seconds=32) <= after.due_at - now <= timedelta(seconds=48)


def test_a_wait_that_the_provider_asked_for_is_kept(now: datetime) -> None:
    row = a_delivery()

    settle(claim(row, now=now), Verdict.TEMPORARY, now=now, wait=timedelta(seconds=123))

    assert fresh(row).due_at == now + timedelta(seconds=123)


def test_after_the_last_attempt_a_temporary_failure_is_failed(now: datetime, settings: Settings) -> None:
    settings.MAX_ATTEMPTS = 4
    broadcast = a_broadcast()
    last, one_left = a_delivery(broadcast=broadcast, attempts=3), a_delivery(broadcast=broadcast, attempts=2)

    settle(claim(last, one_left, now=now), Verdict.TEMPORARY, now=now, detail="451 busy")

    after = fresh(last)
    assert (after.state, after.attempts, after.due_at, after.settled_at) == (State.FAILED, 4, None, now)
    assert after.detail == "gave up after 4 attempts: 451 busy"
    assert fresh(one_left).state == State.RETRYING


def test_what_was_never_handed_over_is_released_and_uses_no_attempt(now: datetime) -> None:
    row = a_delivery(attempts=2)

    settle(claim(row, now=now), Verdict.RELEASED, now=now, wait=timedelta(seconds=8), detail="connection refused")

    after = fresh(row)
    assert (after.state, after.attempts, after.due_at) == (State.PENDING, 2, now + timedelta(seconds=8))
    assert (after.settled_at, after.detail) == (None, "connection refused")


def test_released_without_a_wait_is_due_at_once(now: datetime) -> None:
    row = a_delivery()

    settle(claim(row, now=now), Verdict.RELEASED, now=now)

    assert fresh(row).due_at == now


def test_a_window_with_every_ending_is_settled_in_one_go(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in Verdict]
    taken = claim(*rows, now=now)
    outcomes = [Outcome(m, verdict) for m, verdict in zip(taken.messages, Verdict, strict=True)]

    settled = settlements.settle(claim=taken, outcomes=outcomes, now=now)

    assert settled == len(Verdict)
    assert [fresh(row).state for row in rows] == ["SENT", "RETRYING", "FAILED", "UNKNOWN", "PENDING", "SKIPPED"]


def test_who_has_opted_out_at_the_provider_is_skipped_and_suppressed_by_their_own_word(now: datetime) -> None:
    row = a_delivery(channel=Channel.SMS)
    said = "400: 21610 Attempt to send to unsubscribed recipient"

    settle(claim(row, now=now), Verdict.REFUSED, now=now, detail=said, suppress=Evidence(Source.CLIENT, said))

    after = fresh(row)
    assert (after.state, after.detail) == (State.SKIPPED, Reason.OPTED_OUT)
    assert (after.attempts, after.due_at, after.settled_at) == (1, None, now)
    found = Suppression.objects.get()
    assert (found.channel, found.address, found.source, found.reason) == ("sms", row.address, "CLIENT", said)
    assert SuppressionChange.objects.get().at == now


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.SENT])
def test_an_address_is_suppressed_where_the_outcome_says_so_and_nowhere_else(now: datetime, verdict: Verdict) -> None:
    broadcast = a_broadcast()
    gone, well = a_delivery(broadcast=broadcast), a_delivery(broadcast=broadcast)
    taken = claim(gone, well, now=now)
    evidence = Evidence(Source.BOUNCE, "550 5.1.1 no such user")
    outcomes = [Outcome(taken.messages[0], verdict, suppress=evidence), Outcome(taken.messages[1], verdict)]

    settlements.settle(claim=taken, outcomes=outcomes, now=now)

    assert list(Suppression.objects.values_list("address", "source")) == [(gone.address, "BOUNCE")]


def test_what_suppresses_an_address_is_kept_even_if_its_row_is_no_longer_ours(now: datetime) -> None:
    row = a_delivery()
    taken = claim(row, now=now)
    evidence = Evidence(Source.BOUNCE, "550 5.1.1 no such user")

    settled = settle(replace(taken, token=uuid.uuid4()), Verdict.PERMANENT, now=now, suppress=evidence)

    assert settled == 0
    assert Suppression.objects.get().address == row.address


def test_a_late_result_does_not_bring_back_the_address_of_an_erased_client(now: datetime) -> None:
    row = a_delivery(channel=Channel.SMS)
    taken = claim(row, now=now)
    late = taken.lease_ends_at + SECOND
    sweeps.sweep(now=late)
    erasure.erase(client_id=row.client_id, by=None, why="they asked", now=late)

    settle(taken, Verdict.REFUSED, now=late, suppress=Evidence(Source.CLIENT, "opted out"))

    assert fresh(row).state == State.SKIPPED
    assert not Suppression.objects.filter(address=taken.messages[0].address).exists()


def test_what_suppresses_an_address_is_undone_with_the_rest_of_its_window(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = a_delivery()
    taken = claim(row, now=now)

    def breaks(**_: Any) -> bool:
        raise OperationalError("the disk is full")

    monkeypatch.setattr(suppressions, "suppress", breaks)
    with pytest.raises(OperationalError):
        settle(taken, Verdict.REFUSED, now=now, suppress=Evidence(Source.CLIENT, "opted out"))

    assert fresh(row).state == State.SENDING


def test_settling_twice_changes_nothing_the_second_time(now: datetime) -> None:
    row = a_delivery()
    taken = claim(row, now=now)
    settle(taken, Verdict.SENT, now=now)

    again = settle(taken, Verdict.PERMANENT, now=now)

    assert again == 0
    assert (fresh(row).state, fresh(row).attempts) == (State.SENT, 1)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_foreign_token_settles_nothing(now: datetime, verdict: Verdict) -> None:
    row = a_delivery()
    taken = claim(row, now=now)
    stranger = replace(taken, token=uuid.uuid4())
    before = columns(row)

    settled = settle(stranger, verdict, now=now)

    assert settled == 0
    assert columns(row) == before


def test_a_claim_that_was_retried_by_staff_and_taken_anew_is_not_settled_by_the_old_one(now: datetime) -> None:
    row = a_delivery()
    slow = claim(row, now=now)
    late = slow.lease_ends_at + SECOND
    sweeps.sweep(now=late)
    recovery.send_again(deliveries=Delivery.objects.filter(pk=row.pk), by=None, why="they asked", now=late)
    second = claim(row, now=late)

    settled = settle(slow, Verdict.PERMANENT, now=late)

    assert settled == 0
    assert (fresh(row).state, fresh(row).lease_token) == (State.SENDING, second.token)


@pytest.mark.parametrize(
    ("verdict", "state", "attempts"),
    [
        (Verdict.SENT, State.SENT, 1),
        (Verdict.PERMANENT, State.FAILED, 1),
        (Verdict.TEMPORARY, State.FAILED, 1),
        (Verdict.RELEASED, State.FAILED, 0),
        (Verdict.UNKNOWN, State.UNKNOWN, 1),
        (Verdict.REFUSED, State.SKIPPED, 1),
    ],
)
def test_a_late_result_decides_its_own_unknown_row_for_good(
    now: datetime, verdict: Verdict, state: Delivery.State, attempts: int
) -> None:
    row = a_delivery()
    taken = claim(row, now=now)
    late = taken.lease_ends_at + SECOND
    assert sweeps.sweep(now=late) == 1
    assert fresh(row).state == State.UNKNOWN

    settled = settle(taken, verdict, now=late + SECOND, detail="late")

    after = fresh(row)
    assert settled == 1
    assert (after.state, after.attempts) == (state, attempts)
    # Its broadcast may be finished: a row with a due time would wait for ever.
    assert (after.due_at, after.settled_at) == (None, late + SECOND)


@pytest.mark.parametrize("behind", [timedelta(), timedelta(hours=1)], ids=["one clock", "a clock that is behind"])
def test_a_late_result_asks_for_a_new_tally_of_a_finished_broadcast(now: datetime, behind: timedelta) -> None:
    """Also where the dispatcher's clock has jumped, and the consumer's not yet."""
    row = a_delivery(broadcast=a_broadcast(audience_upto=0))
    taken = claim(row, now=now)
    late = taken.lease_ends_at + SECOND
    sweeps.sweep(now=late)
    assert tallies.finish(broadcast_id=row.broadcast_id, now=late)
    assert not Broadcast.objects.to_tally().exists()

    settle(taken, Verdict.SENT, now=late - behind)

    (asking,) = Broadcast.objects.to_tally()
    tallies.tally(broadcast_id=asking.pk, now=late)
    asking.refresh_from_db()
    assert asking.tally["counts"] == {"email": {"SENT": 1}}
    assert not Broadcast.objects.to_tally().exists()


def test_a_result_in_time_asks_for_no_tally(now: datetime) -> None:
    row = a_delivery(broadcast=a_broadcast(tallied_at=now))

    settle(claim(row, now=now), Verdict.SENT, now=now)

    assert Broadcast.objects.get().tallied_at == now


# --- The wait ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("attempts", range(20))
def test_the_wait_doubles_up_to_an_hour_and_is_spread_by_a_fifth(settings: Settings, attempts: int) -> None:
    settings.RETRY_BASE_SECONDS = 15
    middle = min(3600.0, 15.0 * 2**attempts)

    waits = [settlements.retry_delay(attempts).total_seconds() for _ in range(200)]

    assert middle * 0.8 <= min(waits) < middle * 0.9
    assert middle * 1.1 < max(waits) <= middle * 1.2


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("verdict", [Verdict.SENT, Verdict.PERMANENT])
def test_a_late_result_during_the_finish_waits_for_it_and_asks_for_a_new_tally(now: datetime, verdict: Verdict) -> None:
    row = a_delivery(broadcast=a_broadcast(audience_upto=0))
    taken = claim(row, now=now)
    late = taken.lease_ends_at + SECOND
    sweeps.sweep(now=late)

    with OtherConnection() as dispatcher, OtherConnection() as consumer:
        dispatcher.begin()
        assert dispatcher.call(lambda: tallies.finish(broadcast_id=row.broadcast_id, now=late))
        settled = consumer.start_and_wait_until_blocked(lambda: settle(taken, verdict, now=late))
        dispatcher.commit()
        assert settled.result(30) == 1

    (asking,) = Broadcast.objects.to_tally()
    assert asking.state == Broadcast.State.FINISHED
