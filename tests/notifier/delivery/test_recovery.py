import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet

from notifier.broadcasts import lifecycle
from notifier.delivery import claims, recovery, settlements, sweeps, tallies
from notifier.delivery.claims import Claim
from notifier.delivery.obstacles import Obstacle
from notifier.delivery.recovery import Resolved
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Broadcast, Channel, Client, Delivery, Preference, Reason, Resolution, ResolvedDelivery
from tests.support.database.connections import OtherConnection, at_once, impatient
from tests.support.factories import a_broadcast, a_client, a_delivery, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
Action = Resolution.Action
RUNNING, PAUSED, CANCELLED, FINISHED = (
    Broadcast.State[name] for name in ("RUNNING", "PAUSED", "CANCELLED", "FINISHED")
)
SECOND = timedelta(seconds=1)
concurrent = pytest.mark.django_db(transaction=True)


def these(*rows: Delivery) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(pk__in=[row.pk for row in rows])


def everything() -> "QuerySet[Delivery]":
    return Delivery.objects.all()


def mark(rows: "QuerySet[Delivery]", *, now: datetime, by: User | None = None, why: str = "in their log") -> Resolved:
    return recovery.mark_as_sent(deliveries=rows, by=by, why=why, now=now)


def again(rows: "QuerySet[Delivery]", *, now: datetime, by: User | None = None, why: str = "they asked") -> Resolved:
    return recovery.send_again(deliveries=rows, by=by, why=why, now=now)


def claim(*rows: Delivery, now: datetime) -> Claim:
    return claims.claim(
        broadcast_id=rows[0].broadcast_id,
        channel=Channel(rows[0].channel),
        delivery_ids=[row.pk for row in rows],
        token=uuid.uuid4(),
        now=now,
    )


def settle(taken: Claim, verdict: Verdict, *, now: datetime, detail: str = "") -> int:
    outcomes = [Outcome(message, verdict, detail) for message in taken.messages]
    return settlements.settle(claim=taken, outcomes=outcomes, now=now)


def fell_silent(now: datetime, broadcast: Broadcast | None = None) -> tuple[Delivery, Claim]:
    """A delivery that became UNKNOWN because its consumer did not answer, and the claim that may still answer."""
    row = a_delivery(broadcast=broadcast or a_broadcast(audience_upto=0))
    taken = claim(row, now=now)
    assert sweeps.sweep(now=taken.lease_ends_at + SECOND) == 1
    return row, taken


def the_row_of(taken: Claim) -> int:
    """The first half of writing a late result: the second wants the broadcast."""
    return settlements._still_ours(taken).update(state=State.SENT)


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def columns(row: Delivery) -> dict[str, Any]:
    return dict(Delivery.objects.filter(pk=row.pk).values().get())


# --- Mark as sent -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [State.UNKNOWN, State.FAILED])
def test_what_the_providers_log_shows_is_marked_as_sent_with_who_and_why(now: datetime, state: Delivery.State) -> None:
    row = a_delivery(state=state, settled_at=now, attempts=3, provider_id="SM1", detail="no answer")

    resolved = mark(these(row), by=a_user(username="ann"), why="in their log", now=now + SECOND)

    assert resolved == Resolved(1)
    after = fresh(row)
    assert (after.state, after.detail, after.due_at) == (State.SENT, "marked as sent by ann: in their log", None)
    # When it was settled, how often it was tried and what the provider called it stay true.
    assert (after.settled_at, after.attempts, after.provider_id) == (now, 3, "SM1")


@pytest.mark.parametrize("state", [state for state in State if state not in (State.UNKNOWN, State.FAILED)])
def test_nothing_else_is_marked_as_sent(now: datetime, state: Delivery.State) -> None:
    row = a_delivery(state=state)
    before = columns(row)

    assert mark(these(row), now=now) == Resolved(0)

    assert columns(row) == before
    assert not Resolution.objects.exists()


@pytest.mark.parametrize("state", Broadcast.State)
def test_marking_as_sent_leaves_the_broadcast_in_its_state(now: datetime, state: Broadcast.State) -> None:
    broadcast = a_broadcast(state=state, finished_at=now, tallied_at=now)
    row = a_delivery(broadcast=broadcast, state=State.UNKNOWN)

    assert mark(these(row), now=now).number == 1

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.finished_at) == (state, now)


def test_marking_as_sent_asks_for_a_new_tally_of_a_finished_broadcast(now: datetime) -> None:
    row, _ = fell_silent(now)
    late = now + timedelta(hours=1)
    assert tallies.finish(broadcast_id=row.broadcast_id, now=late)
    assert not Broadcast.objects.to_tally().exists()

    mark(these(row), now=late)

    (asking,) = Broadcast.objects.to_tally()
    tallies.tally(broadcast_id=asking.pk, now=late)
    asking.refresh_from_db()
    assert asking.tally["counts"] == {"email": {"SENT": 1}}


def test_a_long_reason_is_cut_where_it_stands_with_the_delivery_and_kept_whole(now: datetime) -> None:
    row = a_delivery(state=State.FAILED)

    mark(these(row), why="x" * 300, now=now)

    assert len(fresh(row).detail) == 300
    assert Resolution.objects.get().why == "x" * 300


# --- Send again -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [State.UNKNOWN, State.FAILED, State.SKIPPED])
def test_what_is_sent_again_has_a_fresh_start_and_its_broadcast_goes_on(now: datetime, state: Delivery.State) -> None:
    broadcast = a_broadcast(state=FINISHED, finished_at=now)
    row = a_delivery(
        broadcast=broadcast, state=state, attempts=8, detail="gave up", provider_id="SM1", lease_token=uuid.uuid4()
    )

    assert again(these(row), now=now) == Resolved(1)

    after = fresh(row)
    assert (after.state, after.due_at, after.settled_at) == (State.PENDING, now, None)
    assert (after.attempts, after.detail, after.provider_id, after.lease_token) == (0, "", "", None)
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.finished_at) == (RUNNING, None)


def test_what_is_sent_again_has_all_its_attempts_again(now: datetime) -> None:
    row = a_delivery(state=State.FAILED, attempts=8)
    again(these(row), now=now)

    settle(claim(row, now=now), Verdict.TEMPORARY, now=now)

    assert (fresh(row).state, fresh(row).attempts) == (State.RETRYING, 1)


@pytest.mark.parametrize("state", [state for state in State if state not in ("UNKNOWN", "FAILED", "SKIPPED")])
def test_nothing_else_is_sent_again(now: datetime, state: Delivery.State) -> None:
    row = a_delivery(broadcast=a_broadcast(state=FINISHED), state=state)
    before = columns(row)

    assert again(these(row), now=now) == Resolved(0)

    assert columns(row) == before
    assert Broadcast.objects.get().state == FINISHED
    assert not Resolution.objects.exists()


@pytest.mark.parametrize(
    ("state", "obstacle"), [(PAUSED, Obstacle.PAUSED_BROADCAST), (CANCELLED, Obstacle.CANCELLED_BROADCAST)]
)
def test_a_paused_or_cancelled_broadcast_sends_nothing_again_and_the_others_do(
    now: datetime, state: Broadcast.State, obstacle: Obstacle
) -> None:
    closed, going = a_broadcast(state=state), a_broadcast()
    kept = [a_delivery(broadcast=closed, state=State.FAILED) for _ in range(2)]
    row = a_delivery(broadcast=going, state=State.FAILED)

    resolved = again(these(*kept, row), now=now)

    assert resolved == Resolved(1, resolved.left)
    assert resolved.left == {obstacle: 2}
    assert [fresh(one).state for one in (*kept, row)] == ["FAILED", "FAILED", "PENDING"]
    closed.refresh_from_db()
    assert closed.state == state


@pytest.mark.parametrize(
    ("state", "obstacle"),
    [
        (Broadcast.State.RUNNING, Obstacle.EXPIRED_BROADCAST),
        (FINISHED, Obstacle.EXPIRED_BROADCAST),
        (PAUSED, Obstacle.EXPIRED_BROADCAST),
        (CANCELLED, Obstacle.CANCELLED_BROADCAST),
    ],
)
def test_a_broadcast_whose_time_has_passed_sends_nothing_again_and_says_so_before(
    now: datetime, state: Broadcast.State, obstacle: Obstacle
) -> None:
    """It would only be cancelled at once."""
    over, going = a_broadcast(state=state, expires_at=now), a_broadcast(expires_at=now + timedelta(seconds=1))
    kept = a_delivery(broadcast=over, state=State.FAILED)
    homeless = a_delivery(client=a_client(email=None), broadcast=over, state=State.SKIPPED, address="")
    row = a_delivery(broadcast=going, state=State.FAILED)

    seen = recovery.count_resolvable(action=Action.SENT_AGAIN, deliveries=everything(), now=now)
    resolved = again(these(kept, homeless, row), now=now)

    assert (seen.number, seen.left) == (1, {obstacle: 2})
    assert (resolved.number, resolved.left) == (1, {obstacle: 2})
    assert [fresh(one).state for one in (kept, homeless, row)] == ["FAILED", "SKIPPED", "PENDING"]


def test_what_arrived_before_the_time_passed_may_still_be_marked(now: datetime) -> None:
    row = a_delivery(broadcast=a_broadcast(state=FINISHED, expires_at=now), state=State.UNKNOWN)

    assert mark(these(row), now=now).number == 1


@pytest.mark.parametrize("state", Broadcast.BEFORE_START)
def test_a_broadcast_that_has_not_started_has_words_of_its_own(now: datetime, state: Broadcast.State) -> None:
    row = a_delivery(broadcast=a_broadcast(state=state), state=State.FAILED)

    assert again(these(row), now=now).left == {Obstacle.NOT_STARTED: 1}


@pytest.mark.parametrize(("channel", "field"), [(Channel.EMAIL, "email"), (Channel.SMS, "phone")])
def test_one_skipped_for_want_of_an_address_takes_the_clients_present_one(
    now: datetime, channel: Channel, field: str
) -> None:
    client = a_client(listings="both")
    row = a_delivery(client=client, channel=channel, state=State.SKIPPED, address="")

    assert again(these(row), now=now).number == 1

    address = str(getattr(client, field))
    assert fresh(row).address == address
    assert [message.address for message in claim(row, now=now).messages] == [address]


def test_one_whose_client_still_has_no_address_is_left_and_its_broadcast_stays_finished(now: datetime) -> None:
    broadcast = a_broadcast(state=FINISHED, finished_at=now)
    row = a_delivery(
        broadcast=broadcast,
        client=a_client(phone=None, listings="both"),
        channel=Channel.SMS,
        state="SKIPPED",
        address="",
    )
    before = columns(row)

    resolved = again(these(row), now=now)

    assert (resolved.number, resolved.left) == (0, {Obstacle.NO_ADDRESS: 1})
    assert columns(row) == before
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.finished_at) == (FINISHED, now)


def test_an_address_that_was_frozen_is_kept_whatever_the_client_has_now(now: datetime) -> None:
    row = a_delivery(state=State.SKIPPED, address="old@example.com")

    again(these(row), now=now)

    assert fresh(row).address == "old@example.com"


@pytest.mark.parametrize(
    ("withdraw", "reason"),
    [
        (lambda client: Preference.objects.filter(client=client).delete(), Reason.CONSENT_GONE),
        (lambda client: Client.objects.filter(pk=client.pk).update(is_active=False), Reason.ARCHIVED),
    ],
)
def test_sending_again_overrides_nothing_that_the_client_wants(now: datetime, withdraw: Any, reason: Reason) -> None:
    row = a_delivery(state=State.SKIPPED, detail=Reason.CONSENT_GONE)
    withdraw(row.client)

    again(these(row), now=now)

    assert claim(row, now=now).messages == []
    assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, reason)


def test_what_is_sent_again_gets_a_ticket_is_sent_and_ends_the_broadcast(now: datetime) -> None:
    row, _ = fell_silent(now)
    late = now + timedelta(hours=1)
    assert tallies.finish(broadcast_id=row.broadcast_id, now=late)

    again(these(row), now=late)

    assert not tallies.finish(broadcast_id=row.broadcast_id, now=late)
    settle(claim(row, now=late), Verdict.SENT, now=late)
    assert tallies.finish(broadcast_id=row.broadcast_id, now=late)
    assert Broadcast.objects.get().tally["counts"] == {"email": {"SENT": 1}}


# --- The record -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("decide", "action", "changed"),
    [(mark, Action.MARKED_SENT, ["UNKNOWN", "FAILED"]), (again, Action.SENT_AGAIN, ["UNKNOWN", "FAILED", "SKIPPED"])],
)
def test_who_when_why_and_what_each_was_before_are_kept(
    now: datetime, decide: Any, action: Resolution.Action, changed: list[str]
) -> None:
    ann = a_user()
    rows = {state: a_delivery(state=state, detail=f"was {state}") for state in State}

    assert decide(these(*rows.values()), by=ann, why="as agreed", now=now).number == len(changed)

    resolution = Resolution.objects.get()
    assert (resolution.action, resolution.by, resolution.at) == (action, ann, now)
    assert (resolution.why, resolution.number) == ("as agreed", len(changed))
    kept = resolution.deliveries.values_list("delivery_id", "state_before", "detail_before")
    assert set(kept) == {(rows[State(state)].pk, state, f"was {state}") for state in changed}


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("decide", [mark, again])
def test_it_goes_in_chunks_misses_nobody_and_is_one_decision(
    now: datetime, monkeypatch: pytest.MonkeyPatch, decide: Any, rows: int
) -> None:
    monkeypatch.setattr(recovery, "CHUNK", 2)
    made = [a_broadcast(state=FINISHED), a_broadcast(state=FINISHED)]
    for number in range(rows):
        a_delivery(broadcast=made[number % 2], state=State.FAILED)

    assert decide(everything(), now=now) == Resolved(rows)

    assert not Delivery.objects.filter(state=State.FAILED).exists()
    resolution = Resolution.objects.get()
    assert (resolution.number, resolution.deliveries.count()) == (rows, rows)


def test_a_decision_that_dies_half_way_did_and_says_so_much_and_no_more(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "CHUNK", 2)
    for _ in range(5):
        a_delivery(state=State.FAILED)
    tell = recovery._tell_broadcasts

    def dies_in_the_second_chunk(resolution: Resolution, *rest: Any) -> None:
        if ResolvedDelivery.objects.count() > 2:
            raise RuntimeError("killed")
        tell(resolution, *rest)

    monkeypatch.setattr(recovery, "_tell_broadcasts", dies_in_the_second_chunk)
    with pytest.raises(RuntimeError, match="killed"):
        again(everything(), now=now)

    assert Delivery.objects.filter(state=State.PENDING).count() == 2
    assert (Resolution.objects.get().number, ResolvedDelivery.objects.count()) == (2, 2)


def test_a_second_press_finds_nothing_and_makes_no_record(now: datetime) -> None:
    row = a_delivery(state=State.UNKNOWN)

    assert mark(these(row), now=now) == Resolved(1)
    assert mark(these(row), now=now) == Resolved(0)
    assert again(these(row), now=now) == Resolved(0)

    assert Resolution.objects.count() == 1


def test_what_has_failed_again_meanwhile_is_not_met_twice(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "CHUNK", 1)
    rows = [a_delivery(state=State.FAILED) for _ in range(3)]
    tell = recovery._tell_broadcasts

    def a_consumer_is_faster(*details: Any) -> None:
        tell(*details)
        Delivery.objects.filter(state=State.PENDING).update(state=State.FAILED)

    monkeypatch.setattr(recovery, "_tell_broadcasts", a_consumer_is_faster)

    assert again(these(*rows), now=now).number == 3


# --- What it would do -------------------------------------------------------------------------------------------------
def one_of_each() -> None:
    """A delivery in every state of a broadcast in every state that has any; cancelled ones of the cancelled only."""
    not_started = (*Broadcast.BEFORE_START, Broadcast.State.REJECTED)
    for broadcast in [a_broadcast(state=state) for state in Broadcast.State if state not in not_started]:
        for state in State:
            if state != State.CANCELLED or broadcast.state == CANCELLED:
                a_delivery(broadcast=broadcast, state=state)
    for email in ("ann@example.com", None):
        a_delivery(client=a_client(email=email), broadcast=a_broadcast(), state=State.SKIPPED, address="")


def test_what_can_be_marked_is_counted_by_state_and_says_what_is_left_and_why(now: datetime) -> None:
    one_of_each()

    seen = recovery.count_resolvable(action=Action.MARKED_SENT, deliveries=everything(), now=now)

    assert seen.counts == {State.UNKNOWN: 4, State.FAILED: 4}
    assert seen.left == {Obstacle.SENT: 4, Obstacle.UNDER_WAY: 12, Obstacle.NEVER_SENT: 7}
    assert seen.number == 8


def test_what_can_be_sent_again_is_counted_by_state_and_says_what_is_left_and_why(now: datetime) -> None:
    one_of_each()

    seen = recovery.count_resolvable(action=Action.SENT_AGAIN, deliveries=everything(), now=now)

    assert seen.counts == {State.UNKNOWN: 2, State.FAILED: 2, State.SKIPPED: 3}
    assert seen.left == {
        Obstacle.SENT: 4,
        Obstacle.UNDER_WAY: 12,
        Obstacle.CANCELLED: 1,
        Obstacle.PAUSED_BROADCAST: 3,
        Obstacle.CANCELLED_BROADCAST: 3,
        Obstacle.NO_ADDRESS: 1,
    }


@pytest.mark.parametrize(("decide", "action"), [(mark, Action.MARKED_SENT), (again, Action.SENT_AGAIN)])
def test_what_was_counted_is_what_then_happens(now: datetime, decide: Any, action: Resolution.Action) -> None:
    one_of_each()
    seen = recovery.count_resolvable(action=action, deliveries=everything(), now=now)

    resolved = decide(everything(), now=now)

    assert resolved.number == seen.number
    told = {obstacle: number for obstacle, number in seen.left.items() if obstacle in resolved.left}
    assert resolved.left == told


# --- Late results -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("verdict", Verdict)
def test_a_late_result_does_not_undo_a_mark(now: datetime, verdict: Verdict) -> None:
    row, taken = fell_silent(now)
    mark(these(row), why="in their log", now=now)
    before = columns(row)

    assert settle(taken, verdict, now=now + timedelta(hours=1), detail="late") == 0

    assert columns(row) == before


@pytest.mark.parametrize("verdict", Verdict)
def test_a_late_result_does_not_touch_what_was_sent_again(now: datetime, verdict: Verdict) -> None:
    row, slow = fell_silent(now)
    again(these(row), now=now)
    waiting = columns(row)

    assert settle(slow, verdict, now=now) == 0
    assert columns(row) == waiting

    second = claim(row, now=now)
    assert settle(slow, verdict, now=now) == 0
    assert (fresh(row).state, fresh(row).lease_token) == (State.SENDING, second.token)


# --- Two at once ------------------------------------------------------------------------------------------------------
@concurrent
@pytest.mark.parametrize("decide", [mark, again])
def test_two_people_at_once_decide_each_delivery_once(now: datetime, decide: Any) -> None:
    for _ in range(5):
        rows = [a_delivery(broadcast=a_broadcast(state=FINISHED), state=State.FAILED) for _ in range(6)]

        answers = at_once(*[partial(decide, these(*rows), now=now)] * 2)

        numbers = [answer.number for answer in answers]
        assert sorted(numbers) == [0, 6]
        assert ResolvedDelivery.objects.filter(delivery__in=rows).count() == 6


@concurrent
def test_marked_by_one_and_sent_again_by_another_at_once_each_delivery_is_one_of_the_two(now: datetime) -> None:
    for _ in range(5):
        rows = [a_delivery(state=State.UNKNOWN) for _ in range(6)]

        marked, resent = at_once(partial(mark, these(*rows), now=now), partial(again, these(*rows), now=now))

        assert marked.number + resent.number == 6
        states = [fresh(row).state for row in rows]
        assert (states.count("SENT"), states.count("PENDING")) == (marked.number, resent.number)


@concurrent
@pytest.mark.parametrize("decide", [mark, again])
def test_a_decision_beside_a_late_result_leaves_the_word_of_one_of_them(now: datetime, decide: Any) -> None:
    for _ in range(5):
        row, taken = fell_silent(now)
        late = taken.lease_ends_at + SECOND

        resolved, settled = at_once(
            partial(decide, these(row), why="staff", now=late),
            partial(settle, taken, Verdict.PERMANENT, now=late, detail="late"),
        )

        after = fresh(row)
        decided = "SENT" if decide is mark else "PENDING"
        if settled:
            # A failure that came first may still have been decided on, as what it then was.
            assert (after.state, resolved.number) in (("FAILED", 0), (decided, 1))
        else:
            assert (after.state, resolved.number) == (decided, 1)
        assert ResolvedDelivery.objects.filter(delivery=row).count() == resolved.number


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("decide", [mark, again])
def test_a_result_that_is_being_written_is_neither_waited_for_nor_overwritten(now: datetime, decide: Any) -> None:
    row, taken = fell_silent(now)
    other = a_delivery(broadcast=row.broadcast, state=State.UNKNOWN)

    with OtherConnection() as consumer:
        consumer.begin()
        assert consumer.call(lambda: the_row_of(taken)) == 1
        with impatient():
            resolved = decide(these(row, other), now=now)
        consumer.commit()

    assert (resolved.number, resolved.left) == (1, {Obstacle.CHANGED: 1})
    assert fresh(row).state == State.SENT


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("decide", [mark, again])
def test_a_late_result_that_waits_for_the_decision_changes_nothing_and_meets_no_deadlock(
    now: datetime, decide: Any
) -> None:
    row, taken = fell_silent(now)
    late = taken.lease_ends_at + SECOND
    assert tallies.finish(broadcast_id=row.broadcast_id, now=late)

    with OtherConnection() as staff, OtherConnection() as consumer:
        staff.begin()
        assert staff.call(lambda: decide(these(row), now=late)).number == 1
        result = consumer.start_and_wait_until_blocked(lambda: settle(taken, Verdict.PERMANENT, now=late))
        staff.commit()
        assert result.result(30) == 0

    assert fresh(row).state == ("SENT" if decide is mark else "PENDING")


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_late_result_that_holds_its_row_and_waits_for_the_broadcast_is_no_deadlock(now: datetime) -> None:
    row, taken = fell_silent(now)
    other = a_delivery(broadcast=row.broadcast, state=State.FAILED)
    asking = []

    def then_the_consumer_asks_for_it(execute: Any, sql: str, *rest: Any) -> Any:
        answer = execute(sql, *rest)
        if "FOR NO KEY UPDATE" in sql:
            tally = Broadcast.objects.filter(pk=row.broadcast_id)
            asking.append(consumer.start_and_wait_until_blocked(lambda: tally.update(tallied_at=None)))
        return answer

    with OtherConnection() as consumer:
        consumer.begin()
        assert consumer.call(lambda: the_row_of(taken)) == 1
        with connection.execute_wrapper(then_the_consumer_asks_for_it):
            resolved = mark(these(row, other), now=now)
        asking[0].result(30)
        consumer.commit()

    assert (resolved.number, resolved.left) == (1, {Obstacle.CHANGED: 1})


@concurrent
def test_finishing_beside_sending_again_never_ends_over_a_due_row(now: datetime) -> None:
    for _ in range(10):
        row = a_delivery(state=State.UNKNOWN, broadcast=a_broadcast(audience_upto=0))

        resolved, *_ = at_once(
            partial(again, these(row), now=now),
            *[partial(tallies.finish, broadcast_id=row.broadcast_id, now=now)] * 2,
        )

        assert resolved.number == 1
        broadcast = Broadcast.objects.get(pk=row.broadcast_id)
        assert (broadcast.state, broadcast.finished_at) == (RUNNING, None)
        assert fresh(row).due_at == now


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_marking_during_the_finish_waits_and_then_asks_for_a_new_tally(now: datetime) -> None:
    row = a_delivery(state=State.UNKNOWN, broadcast=a_broadcast(audience_upto=0))

    with OtherConnection() as dispatcher, OtherConnection() as staff:
        dispatcher.begin()
        assert dispatcher.call(lambda: tallies.finish(broadcast_id=row.broadcast_id, now=now))
        marked = staff.start_and_wait_until_blocked(lambda: mark(these(row), now=now))
        dispatcher.commit()
        assert marked.result(30).number == 1

    assert Broadcast.objects.get().tallied_at is None


@concurrent
def test_pausing_beside_sending_again_leaves_no_row_behind(now: datetime) -> None:
    for _ in range(5):
        row = a_delivery(state=State.FAILED)

        resolved, paused = at_once(
            partial(again, these(row), now=now), partial(lifecycle.pause, broadcast_id=row.broadcast_id, now=now)
        )

        assert paused is None
        after = fresh(row)
        assert Broadcast.objects.get(pk=row.broadcast_id).state == PAUSED
        if resolved.number:
            assert (after.state, after.due_at) == (State.PENDING, now)
        else:
            assert after.state == State.FAILED
            assert resolved.left == {Obstacle.PAUSED_BROADCAST: 1}
