"""A follow-up reaches those whom the others missed, and nobody twice, whatever happens meanwhile."""

import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from notifier.audience import chains, unreached
from notifier.broadcasts import acts, approvals, followups
from notifier.broadcasts.followups import FollowedAlready, NotEnded
from notifier.delivery import claims, fanout, recovery, settlements
from notifier.delivery.obstacles import Obstacle
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Broadcast, Channel, Client, Delivery, Preference, Reason, Receipt, Suppression
from notifier.staff import groups
from tests.support.database.connections import OtherConnection, at_once
from tests.support.factories import (
    a_brand,
    a_broadcast,
    a_chain,
    a_client,
    a_delivery,
    a_notification,
    a_topic,
    a_user,
    an_ended_broadcast,
)

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
concurrent = pytest.mark.django_db(transaction=True)


def follow(broadcast: Broadcast, now: datetime, *, token: uuid.UUID | None = None, by: User | None = None) -> Broadcast:
    return followups.create(broadcast_id=broadcast.pk, token=token or uuid.uuid4(), by=by, now=now)


def expanded(broadcast: Broadcast, now: datetime) -> set[tuple[int, str]]:
    while fanout.expand(broadcast_id=broadcast.pk, now=now) is not None:
        pass
    return set(broadcast.deliveries.values_list("client_id", "channel"))


def claimed(row: Delivery, now: datetime) -> claims.Claim:
    return claims.claim(
        broadcast_id=row.broadcast_id,
        channel=Channel(row.channel),
        delivery_ids=[row.pk],
        token=uuid.uuid4(),
        now=now,
    )


def state_of(row: Delivery) -> tuple[str, str]:
    return Delivery.objects.values_list("state", "detail").get(pk=row.pk)


# --- Who gets it ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("state", "missed"),
    [
        (State.SENT, False),
        (State.UNKNOWN, False),
        (State.PENDING, False),
        (State.SENDING, False),
        (State.RETRYING, False),
        (State.FAILED, True),
        (State.SKIPPED, True),
        (State.CANCELLED, True),
    ],
)
def test_it_goes_to_those_whom_it_did_not_reach_and_cannot_any_more(now: datetime, state: State, missed: bool) -> None:
    original = an_ended_broadcast(now)
    client = a_client(listings="email")
    a_delivery(broadcast=original, client=client, state=state)

    assert expanded(follow(original, now), now) == ({(client.pk, "email")} if missed else set())


def test_each_channel_counts_for_itself(now: datetime) -> None:
    original = an_ended_broadcast(now)
    client = a_client(listings="both")
    a_delivery(broadcast=original, client=client, channel=EMAIL, state=State.SENT)
    a_delivery(broadcast=original, client=client, channel=SMS, state=State.FAILED)

    assert expanded(follow(original, now), now) == {(client.pk, "sms")}


def test_somebody_who_consented_or_came_since_gets_it(now: datetime) -> None:
    original = an_ended_broadcast(now, audience_upto=0)
    since = a_client(listings="both")

    assert expanded(follow(original, now), now) == {(since.pk, "email"), (since.pk, "sms")}


def test_it_asks_for_no_more_than_who_wants_it_and_can_be_sent_it_now(now: datetime) -> None:
    original = an_ended_broadcast(now)
    withdrawn, archived, suppressed = (a_client(listings=word) for word in ("neither", "email", "email"))
    Client.objects.filter(pk=archived.pk).update(is_active=False)
    Suppression.objects.create(channel=EMAIL, address=str(suppressed.email), reason="asked us to")
    homeless = a_client(email=None, listings="email")
    for client in (withdrawn, archived, suppressed, homeless):
        a_delivery(broadcast=original, client=client, state=State.FAILED)

    follower = follow(original, now)

    # Not even as skipped: what the confirm page counts is what there will be.
    assert expanded(follower, now) == set()


def test_a_chain_of_two_counts_all_that_went_before(now: datetime) -> None:
    first, second = a_chain(now, 2)
    by_first, by_second, by_neither, unknown = (a_client(listings="email") for _ in range(4))
    a_delivery(broadcast=first, client=by_first, state=State.SENT)
    for client in (by_second, by_neither):
        a_delivery(broadcast=first, client=client, state=State.FAILED)
    a_delivery(broadcast=first, client=unknown, state=State.UNKNOWN)
    a_delivery(broadcast=second, client=by_second, state=State.SENT)
    a_delivery(broadcast=second, client=by_neither, state=State.FAILED)

    assert expanded(follow(second, now), now) == {(by_neither.pk, "email")}


def test_other_broadcasts_of_the_same_notification_do_not_count(now: datetime) -> None:
    original = an_ended_broadcast(now)
    another = an_ended_broadcast(now, notification=original.notification)
    client = a_client(listings="email")
    a_delivery(broadcast=another, client=client, state=State.SENT)

    assert expanded(follow(original, now), now) == {(client.pk, "email")}


def test_the_text_is_the_frozen_one_whatever_the_notification_says_today(now: datetime) -> None:
    notification = a_notification(subject="As it was", preheader="then", email_body="old", sms_body="")
    original = an_ended_broadcast(now, notification=notification, text_of=now, brand={"name": "Then"})
    a_brand(name="Now")
    type(notification).objects.update(subject="Changed", preheader="now", email_body="new", sms_body="new")
    staff = a_user()

    made = follow(original, now, by=staff)

    made.refresh_from_db()
    assert (made.subject, made.preheader) == ("As it was", "then")
    assert made.brand == {"name": "Then"}
    assert (made.email_body, made.sms_body, made.text_of) == ("old", "", now)
    assert (made.follows, made.created_by, made.state, made.started_at) == (original, staff, "RUNNING", now)


# --- What is counted --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("countries", [(), ("CA", "DE")])
def test_what_is_counted_is_what_then_goes_out(now: datetime, settings: Any, countries: tuple[str, ...]) -> None:
    """Over many chances, with everything that may be wrong with a client."""
    chance = random.Random(7)
    settings.SMS_COUNTRIES = countries
    chain = a_chain(now, 3)
    for number in range(120):
        client = a_client(
            listings=chance.choice(["email", "sms", "both", "neither"]),
            is_active=chance.random() < 0.9,
            phone=chance.choice(["+12042340", "+12042341", "+12022340", "+4930123456"]) + f"{number:03}",
        )
        if chance.random() < 0.1:
            Suppression.objects.create(channel=EMAIL, address=str(client.email), reason="asked us to")
        for broadcast in chain:
            for channel in Channel:
                if chance.random() < 0.5:
                    state = chance.choice(list(State))
                    a_delivery(broadcast=broadcast, client=client, channel=channel, state=state)
    counted = {missing.channel.value: missing.recipients for missing in unreached.missing(broadcast=chain[-1], now=now)}

    made = expanded(follow(chain[-1], now), now)

    assert Counter(channel for _, channel in made) == counted
    phones = Client.objects.filter(pk__in=[pk for pk, channel in made if channel == "sms"])
    # +4930 is a landline.
    expected = {"+1204"} if countries else {"+1204", "+1202"}
    assert {str(phone)[:5] for phone in phones.values_list("phone", flat=True)} == expected
    assert min(counted.values()) > 5


# --- Once, and when ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", "CANCELLED"])
def test_what_has_not_ended_has_no_follow_up(now: datetime, state: str) -> None:
    with pytest.raises(NotEnded, match="has not finished yet"):
        follow(a_broadcast(state=state), now)

    assert Broadcast.objects.count() == 1


def test_a_cancelled_one_that_has_ended_has_one(now: datetime) -> None:
    original = an_ended_broadcast(now, state="CANCELLED")
    row = a_delivery(broadcast=original, client=a_client(listings="email"), state=State.CANCELLED)

    assert expanded(follow(original, now), now) == {(row.client_id, "email")}


def test_a_broadcast_is_followed_once_and_the_second_is_told_by_whom(now: datetime) -> None:
    original = an_ended_broadcast(now)
    first = follow(original, now)

    with pytest.raises(FollowedAlready) as refusal:
        follow(original, now)

    assert refusal.value.follower == first
    assert f"has a follow-up already: {first}" in str(refusal.value)


def test_the_same_press_makes_one_however_often_it_comes(now: datetime) -> None:
    original, token = an_ended_broadcast(now), uuid.uuid4()

    assert follow(original, now, token=token) == follow(original, now, token=token)
    assert Broadcast.objects.count() == 2


@concurrent
def test_two_people_who_press_at_once_make_one(now: datetime) -> None:
    original = an_ended_broadcast(now)

    answers = at_once(*[lambda: follow(original, now)] * 2)

    assert sorted(type(answer).__name__ for answer in answers) == ["Broadcast", "FollowedAlready"]
    assert Broadcast.objects.filter(follows=original).count() == 1


def test_a_chain_is_found_from_every_link_and_ends_with_its_notification(now: datetime) -> None:
    one, two, three = a_chain(now, 3)
    an_ended_broadcast(now, notification=one.notification)
    a_chain(now, 2)

    def others(link: Broadcast) -> list[int]:
        return chains.others(broadcast_id=link.pk, notification_id=link.notification_id)

    assert [others(link) for link in (one, two, three)] == [
        [two.pk, three.pk],
        [one.pk, three.pk],
        [one.pk, two.pk],
    ]


# --- Many of them take a second person ---
@pytest.mark.parametrize(("most", "state"), [(1, "AWAITING_APPROVAL"), (2, "RUNNING"), (None, "RUNNING")])
def test_more_than_one_may_send_alone_waits_counted_in_the_follow_ups_own_messages(
    now: datetime, settings: Any, most: int | None, state: str
) -> None:
    settings.APPROVAL_ABOVE = most
    original = an_ended_broadcast(now)
    for became in (State.FAILED, State.FAILED, State.SENT, State.SENT):
        a_delivery(broadcast=original, client=a_client(listings="email"), state=became)

    made = follow(original, now, by=a_user())

    waits = state == "AWAITING_APPROVAL"
    assert (made.state, made.needs_approval, made.started_at is None) == (state, waits, waits)


def test_the_command_line_asks_nobody(now: datetime, settings: Any) -> None:
    settings.APPROVAL_ABOVE = 0
    original = an_ended_broadcast(now)
    a_delivery(broadcast=original, client=a_client(listings="email"), state=State.FAILED)

    assert follow(original, now).state == "RUNNING"


def test_once_approved_it_goes_to_those_who_were_missed_and_to_nobody_else(now: datetime, settings: Any) -> None:
    settings.APPROVAL_ABOVE = 0
    original = an_ended_broadcast(now)
    missed = a_delivery(broadcast=original, client=a_client(listings="email"), state=State.FAILED)
    a_delivery(broadcast=original, client=a_client(listings="email"), state=State.SENT)
    made = follow(original, now, by=a_user())

    assert expanded(made, now) == set()
    approve = a_user(groups.APPROVE_BROADCAST)
    approvals.approve(broadcast_id=made.pk, seen=acts.version(made), by=approve, now=now)

    assert expanded(made, now) == {(missed.client_id, "email")}


def test_an_edit_of_the_notification_leaves_a_waiting_follow_up_its_text(now: datetime, settings: Any) -> None:
    settings.APPROVAL_ABOVE = 0
    notification = a_notification(email_body="as it was sent")
    original = an_ended_broadcast(now, notification=notification)
    a_delivery(broadcast=original, client=a_client(listings="email"), state=State.FAILED)
    made = follow(original, now, by=a_user())
    notification.email_body = "edited"
    notification.save()

    assert approvals.take_edit(notification=notification, by=a_user()) == 0
    made.refresh_from_db()
    assert (made.email_body, made.state) == ("as it was sent", "AWAITING_APPROVAL")


# --- Nobody twice -----------------------------------------------------------------------------------------------------
def test_what_is_found_to_have_arrived_after_the_fan_out_is_skipped_at_the_claim(now: datetime) -> None:
    """Staff read in the provider's log that it did arrive, while the follow-up waits for its ticket."""
    original = an_ended_broadcast(now)
    failed = a_delivery(broadcast=original, client=a_client(listings="email"), state=State.FAILED)
    follower = follow(original, now)
    expanded(follower, now)
    recovery.mark_as_sent(deliveries=Delivery.objects.filter(pk=failed.pk), by=None, why="in their log", now=now)

    claim = claimed(follower.deliveries.get(), now)

    assert claim.messages == []
    assert state_of(follower.deliveries.get()) == (State.SKIPPED, Reason.REACHED)


def test_a_follow_up_goes_to_whom_it_was_sent_and_not_delivered(now: datetime) -> None:
    original = an_ended_broadcast(now)
    clients = [a_client(listings="email") for _ in range(3)]
    rows = [a_delivery(broadcast=original, client=client, state=State.SENT) for client in clients]
    for row, state in zip(rows, ("UNDELIVERED", "UNDELIVERED", "DELIVERED"), strict=True):
        told = {"state": state, "at": now, "provider": "twilio"}
        Receipt.objects.create(delivery=row, broadcast=original, channel="email", **told)

    follower = follow(original, now)
    Broadcast.objects.filter(pk=follower.pk).update(
        state="RUNNING", scheduled_for=None, started_at=now, audience_upto=clients[-1].pk
    )
    assert expanded(follower, now) == {(client.pk, "email") for client in clients[:2]}

    # It was delivered after all, before the follow-up's message is claimed.
    Receipt.objects.filter(delivery=rows[0]).update(state="DELIVERED")
    first, second = follower.deliveries.order_by("client_id")
    assert not claimed(first, now).messages
    assert state_of(first) == (State.SKIPPED, Reason.REACHED)
    assert [message.delivery_id for message in claimed(second, now).messages] == [second.pk]


def test_the_claim_of_a_follow_up_takes_whoever_is_still_missing(now: datetime) -> None:
    original = an_ended_broadcast(now)
    a_delivery(broadcast=original, client=a_client(listings="email"), state=State.FAILED)
    follower = follow(original, now)
    expanded(follower, now)

    assert len(claimed(follower.deliveries.get(), now).messages) == 1


@pytest.mark.parametrize("verdict", [Verdict.SENT, Verdict.PERMANENT])
def test_a_late_result_of_an_unknown_makes_nobody_get_it_twice(now: datetime, verdict: Verdict) -> None:
    """A consumer that had fallen silent comes back with what really happened, before and after the fan-out."""
    original = an_ended_broadcast(now)
    rows = [a_delivery(broadcast=original, client=a_client(listings="email")) for _ in range(2)]
    Broadcast.objects.filter(pk=original.pk).update(state="RUNNING")
    both = [claimed(row, now) for row in rows]
    Delivery.objects.update(state=State.UNKNOWN, due_at=None, settled_at=now)
    Broadcast.objects.filter(pk=original.pk).update(state="FINISHED")

    def comes_back(claim: claims.Claim) -> None:
        outcomes = [Outcome(message=message, verdict=verdict, detail="as it was") for message in claim.messages]
        assert settlements.settle(claim=claim, outcomes=outcomes, now=now) == 1

    follower = follow(original, now)
    comes_back(both[0])
    reached = expanded(follower, now)
    comes_back(both[1])

    # The one that failed in time is taken over; the one that was still unknown is not.
    assert reached == ({(rows[0].client_id, "email")} if verdict is Verdict.PERMANENT else set())


def test_what_a_follow_up_took_over_is_not_sent_again_by_the_first_one(now: datetime) -> None:
    original = an_ended_broadcast(now)
    rows = {state: a_delivery(broadcast=original, state=state) for state in (State.FAILED, State.SKIPPED)}
    follow(original, now)
    everything = original.deliveries.all()

    seen = recovery.count_resolvable(action="SENT_AGAIN", deliveries=everything, now=now)
    resolved = recovery.send_again(deliveries=everything, by=None, why="again", now=now)

    assert (seen.number, seen.left) == (0, {Obstacle.FOLLOWED: 2})
    assert (resolved.number, resolved.left) == (0, {Obstacle.FOLLOWED: 2})
    assert {state: state_of(row)[0] for state, row in rows.items()} == {state: state for state in rows}


def test_what_was_unknown_was_left_out_and_may_be_sent_again(now: datetime) -> None:
    original = an_ended_broadcast(now)
    row = a_delivery(broadcast=original, client=a_client(listings="email"), state=State.UNKNOWN)
    follower = follow(original, now)

    seen = recovery.count_resolvable(action="SENT_AGAIN", deliveries=original.deliveries.all(), now=now)
    resolved = recovery.send_again(deliveries=original.deliveries.all(), by=None, why="it did not come", now=now)

    assert (seen.number, resolved.number) == (1, 1)
    assert expanded(follower, now) == set()
    assert len(claimed(row, now).messages) == 1


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("first", ["follow", "again"])
def test_a_retry_and_a_follow_up_at_the_same_moment_never_both_have_it(now: datetime, first: str) -> None:
    original = an_ended_broadcast(now)
    a_delivery(broadcast=original, client=a_client(listings="email"), state=State.FAILED)

    def again() -> Any:
        return recovery.send_again(deliveries=original.deliveries.all(), by=None, why="again", now=now)

    def to_follow() -> Any:
        return follow(original, now)

    calls: list[Callable[[], Any]] = [to_follow, again] if first == "follow" else [again, to_follow]
    with OtherConnection() as one, OtherConnection() as other:
        one.begin()
        one.call(calls[0])
        waiting = other.start_and_wait_until_blocked(calls[1])
        one.commit()
        error = waiting.exception(30)

    if first == "follow":
        assert (error, waiting.result().left) == (None, {Obstacle.FOLLOWED: 1})
    else:
        assert isinstance(error, NotEnded)
    assert Delivery.objects.exclude(due_at=None).count() + Broadcast.objects.filter(follows=original).count() == 1


def test_a_chain_under_chance_reaches_each_client_once_at_most(now: datetime) -> None:
    """Four broadcasts in a row, with failures, late words, retries and changes of mind between any two steps."""
    chance = random.Random(11)
    clients = [a_client(listings=chance.choice(["email", "both", "neither"])) for _ in range(40)]
    arrived: Counter[int] = Counter()
    link = a_broadcast(notification=a_notification(sms_body=""))
    for _ in range(4):
        expanded(link, now)
        for row in link.deliveries.filter(state=State.PENDING).order_by("pk"):
            _send(row, arrived, chance, now)
        for row in Delivery.objects.filter(state__in=[State.FAILED, State.SKIPPED, State.UNKNOWN]).order_by("pk"):
            if chance.random() < 0.2:
                # An unknown one that did arrive is sent a second time by staff only, which is not what is tried here.
                unarrived = Delivery.objects.filter(pk=row.pk).exclude(state=State.UNKNOWN, provider_id="arrived")
                recovery.send_again(deliveries=unarrived, by=None, why="again", now=now)
                for due in Delivery.objects.filter(state=State.PENDING).order_by("pk"):
                    _send(due, arrived, chance, now)
        Preference.objects.filter(client=chance.choice(clients)).update(email=chance.random() < 0.7)
        Broadcast.objects.update(state="FINISHED", finished_at=now)
        link = follow(link, now)

    assert max(arrived.values()) == 1
    assert arrived.total() > 10


def _send(row: Delivery, arrived: Counter[int], chance: random.Random, now: datetime) -> None:
    claim = claimed(row, now)
    for message in claim.messages:
        verdict = chance.choice([Verdict.SENT, Verdict.PERMANENT, Verdict.UNKNOWN])
        got_there = verdict is Verdict.SENT or (verdict is Verdict.UNKNOWN and chance.random() < 0.5)
        arrived[row.client_id] += got_there
        outcome = Outcome(message=message, verdict=verdict, detail="", provider_id="arrived" if got_there else "")
        settlements.settle(claim=claim, outcomes=[outcome], now=now)
        if got_there:
            Delivery.objects.filter(pk=row.pk).update(provider_id="arrived")


def test_a_topic_has_its_own_consent(now: datetime) -> None:
    original = an_ended_broadcast(now, notification=a_notification(topic=a_topic(slug="offerings")))
    a_client(listings="both")

    assert expanded(follow(original, now), now) == set()


@pytest.mark.django_db(transaction=True)
def test_whom_it_goes_to_is_counted_while_nobody_waits_for_a_lock(
    now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.APPROVAL_ABOVE = 0
    original = a_delivery(state=Delivery.State.FAILED).broadcast
    Broadcast.objects.update(state=Broadcast.State.FINISHED, finished_at=now)
    missing, locked = unreached.missing, []

    def note(*, broadcast: Broadcast, now: datetime) -> Any:
        locked.append(connection.in_atomic_block)
        return missing(broadcast=broadcast, now=now)

    monkeypatch.setattr(unreached, "missing", note)

    made = followups.create(broadcast_id=original.pk, token=uuid.uuid4(), by=a_user(), now=now)

    assert locked == [False]
    assert made.state == Broadcast.State.AWAITING_APPROVAL
