import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from notifier.broadcasts import lifecycle
from notifier.delivery import bulk_updates, claims, fanout, settlements, sweeps, tickets
from notifier.models import Breaker, Broadcast, Channel, Client, Delivery, Preference, QueuedTicket, Reason, Suppression
from notifier.policies import breakers
from notifier.transport.base import DeadLetter, Received, Ticket, TransportError, decode
from notifier.transport.database import DatabaseTransport
from tests.support.database.connections import OtherConnection, at_once, impatient
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic, an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)
LIFETIME = timedelta(seconds=900)
concurrent = pytest.mark.django_db(transaction=True)


class BrokenTransport:
    """A broker that takes some tickets and then goes away."""

    def __init__(self, *, takes: int = 0) -> None:
        self.taken: list[Ticket] = []
        self._takes = takes

    def publish(self, tickets: Sequence[Ticket]) -> None:
        self.taken.extend(tickets[: self._takes])
        raise TransportError("the broker went away")

    def check(self) -> None:
        raise TransportError("the broker went away")

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        raise TransportError("the broker went away")

    def depth(self, channel: Channel) -> int:
        return 0

    def dead(self) -> int:
        return 0

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        return []

    def purge_dead(self) -> int:
        return 0

    def close(self) -> None: ...


def expand_all(broadcast: Broadcast, now: datetime) -> int:
    total = 0
    while (made := fanout.expand(broadcast_id=broadcast.pk, now=now)) is not None:
        total += made
    return total


def issue(now: datetime, channel: Channel = EMAIL) -> int:
    return tickets.issue_tickets(channel=channel, transport=DatabaseTransport("database://"), now=now)


def issued_tickets(channel: Channel = EMAIL) -> list[Ticket]:
    rows = QueuedTicket.objects.filter(channel=channel).order_by("pk")
    return [decode(bytes(row.body), channel=channel) for row in rows]


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def made(broadcast: Broadcast) -> set[tuple[int, str]]:
    rows = list(broadcast.deliveries.values_list("client_id", "channel"))
    assert len(rows) == len(set(rows))
    return set(rows)


def some_due(number: int, broadcast: Broadcast, now: datetime, **fields: Any) -> list[Delivery]:
    return [a_delivery(broadcast=broadcast, due_at=now, **fields) for _ in range(number)]


# --- Expand -----------------------------------------------------------------------------------------------------------
def test_each_channel_that_a_client_consented_to_becomes_a_delivery_due_now(now: datetime) -> None:
    both, mail, text = a_client(listings="both"), a_client(listings="email"), a_client(listings="sms")
    a_client(listings="neither")
    a_client(offerings="both")
    a_client()
    broadcast = a_broadcast()

    number = expand_all(broadcast, now)

    assert number == 4
    assert made(broadcast) == {(both.pk, EMAIL), (both.pk, SMS), (mail.pk, EMAIL), (text.pk, SMS)}
    for row in broadcast.deliveries.select_related("client"):
        assert (row.state, row.due_at, row.settled_at) == (State.PENDING, now, None)
        assert (row.attempts, row.lease_token, row.detail, row.provider_id) == (0, None, "", "")
        assert row.address == str(row.client.email if row.channel == EMAIL else row.client.phone)


def test_the_cursor_and_the_audience_tell_what_was_made(now: datetime) -> None:
    clients = [a_client(listings="both") for _ in range(3)]
    broadcast = a_broadcast()

    expand_all(broadcast, now)

    broadcast.refresh_from_db()
    assert broadcast.cursor == broadcast.audience_upto == clients[-1].pk
    assert broadcast.audience == 6
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None


def test_one_call_takes_one_chunk(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 2
    clients = [a_client(listings="email") for _ in range(5)]
    broadcast = a_broadcast()
    seen = []

    while (number := fanout.expand(broadcast_id=broadcast.pk, now=now)) is not None:
        broadcast.refresh_from_db()
        seen.append((number, broadcast.cursor, broadcast.audience))

    assert seen == [(2, clients[1].pk, 2), (2, clients[3].pk, 4), (1, clients[4].pk, 5)]


def test_chunks_of_any_size_cover_everybody_once_across_gaps_in_the_ids(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 7
    choice = random.Random(1)
    for _ in range(60):
        a_client(listings=choice.choice(["email", "sms", "both", "neither"]))
    gone = choice.sample(list(Client.objects.values_list("pk", flat=True)), 20)
    Client.objects.filter(pk__in=gone).delete()
    consents = Preference.objects.filter(topic__slug="listings")
    expected = {(p.client_id, c.value) for p in consents for c in Channel if getattr(p, c.value)}
    broadcast = a_broadcast()

    number = expand_all(broadcast, now)

    assert made(broadcast) == expected
    broadcast.refresh_from_db()
    assert number == broadcast.audience == len(expected)


def test_a_chunk_in_which_nobody_consents_moves_the_cursor(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 2
    for _ in range(4):
        a_client()
    last = a_client(listings="email")
    broadcast = a_broadcast()

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 0
    assert expand_all(broadcast, now) == 1
    assert made(broadcast) == {(last.pk, EMAIL)}


def test_an_empty_chunk_sets_the_cursor_to_the_end(now: datetime) -> None:
    client = a_client(listings="email")
    broadcast = a_broadcast(audience_upto=client.pk + 1000, cursor=client.pk)

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 0

    broadcast.refresh_from_db()
    assert broadcast.cursor == broadcast.audience_upto
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None


def test_an_archived_client_is_not_in_it(now: datetime) -> None:
    a_client(listings="both", is_active=False)
    broadcast = a_broadcast()

    assert expand_all(broadcast, now) == 0


def test_a_suppressed_address_is_born_skipped_with_the_reason(now: datetime) -> None:
    client = a_client(listings="both")
    Suppression.objects.create(channel=EMAIL, address=client.email or "", reason="bounced")
    broadcast = a_broadcast()

    expand_all(broadcast, now)

    mail, text = broadcast.deliveries.get(channel=EMAIL), broadcast.deliveries.get(channel=SMS)
    assert (mail.state, mail.detail, mail.address) == (State.SKIPPED, Reason.SUPPRESSED, client.email)
    assert (mail.due_at, mail.settled_at) == (None, now)
    assert text.state == State.PENDING


@pytest.mark.parametrize(
    ("absent", "channel", "reason"), [("email", EMAIL, Reason.NO_EMAIL), ("phone", SMS, Reason.NO_PHONE)]
)
def test_consent_without_an_address_is_born_skipped_with_the_reason(
    now: datetime, absent: str, channel: Channel, reason: Reason
) -> None:
    client = a_client(listings="both", email=None) if absent == "email" else a_client(listings="both", phone=None)
    broadcast = a_broadcast()

    expand_all(broadcast, now)

    row = broadcast.deliveries.get(channel=channel)
    assert (row.client_id, row.state, row.detail, row.address) == (client.pk, State.SKIPPED, reason, "")
    assert (row.due_at, row.settled_at) == (None, now)
    assert broadcast.deliveries.exclude(channel=channel).get().state == State.PENDING


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_clients_who_came_after_the_press_are_not_in_it(now: datetime, settings: Settings, chunk: int) -> None:
    settings.EXPAND_CHUNK = chunk
    early = a_client(listings="email")
    broadcast = a_broadcast()
    for _ in range(4):
        a_client(listings="both")

    expand_all(broadcast, now)

    assert made(broadcast) == {(early.pk, EMAIL)}


@pytest.mark.parametrize(("empty", "channel"), [(SMS, EMAIL), (EMAIL, SMS)])
def test_only_a_channel_with_a_text_is_used(now: datetime, empty: Channel, channel: Channel) -> None:
    client = a_client(listings="both")
    notification = a_notification(sms_body="") if empty == SMS else a_notification(email_body="")
    broadcast = a_broadcast(notification=notification)

    expand_all(broadcast, now)

    assert made(broadcast) == {(client.pk, channel)}


def test_a_text_of_blanks_is_none(now: datetime) -> None:
    client = a_client(listings="both")
    broadcast = a_broadcast(notification=a_notification(sms_body=" \n"))

    expand_all(broadcast, now)

    assert broadcast.channels == broadcast.notification.channels == [EMAIL]
    assert made(broadcast) == {(client.pk, EMAIL)}


@pytest.mark.parametrize("state", [Broadcast.State.PAUSED, Broadcast.State.CANCELLED, Broadcast.State.FINISHED])
def test_a_broadcast_that_does_not_run_is_not_expanded(now: datetime, state: Broadcast.State) -> None:
    a_client(listings="both")
    broadcast = a_broadcast(state=state)

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None

    assert made(broadcast) == set()
    broadcast.refresh_from_db()
    assert (broadcast.cursor, broadcast.audience) == (0, 0)


@pytest.mark.parametrize(("command", "ordinal"), [("INSERT", 1), ("INSERT", 2), ("UPDATE", 1)])
def test_dying_in_the_middle_of_a_chunk_leaves_nothing_of_it(now: datetime, command: str, ordinal: int) -> None:
    client = a_client(listings="both")
    broadcast = a_broadcast()
    seen = 0

    class Killed(Exception):
        pass

    def die_after(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal seen
        result = execute(sql, *rest)
        seen += sql.strip().startswith(command)
        if seen == ordinal:
            raise Killed
        return result

    with pytest.raises(Killed), connection.execute_wrapper(die_after):
        fanout.expand(broadcast_id=broadcast.pk, now=now)

    broadcast.refresh_from_db()
    assert (made(broadcast), broadcast.cursor, broadcast.audience) == (set(), 0, 0)
    assert expand_all(broadcast, now) == 2
    assert made(broadcast) == {(client.pk, EMAIL), (client.pk, SMS)}


def test_a_row_that_is_there_already_is_neither_doubled_nor_counted(now: datetime) -> None:
    client = a_client(listings="both")
    broadcast = a_broadcast()
    sent = a_delivery(broadcast=broadcast, client=client, channel=EMAIL, state=State.SENT)

    assert expand_all(broadcast, now) == 1

    assert made(broadcast) == {(client.pk, EMAIL), (client.pk, SMS)}
    assert fresh(sent).state == State.SENT
    broadcast.refresh_from_db()
    assert broadcast.audience == 1


def test_a_chunk_takes_the_same_number_of_statements_however_many_clients(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 20
    for _ in range(22):
        a_client(listings="both")
    # Not the first chunk: that one refreshes the statistics too.
    broadcast = a_broadcast(audience=1)

    rows, statements = [], []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            rows.append(fanout.expand(broadcast_id=broadcast.pk, now=now))
        statements.append(len(queries))

    assert rows == [40, 4]
    assert statements[0] == statements[1] < 10


# --- Issue tickets ----------------------------------------------------------------------------------------------------
def test_due_rows_travel_in_tickets_of_the_given_size(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE = 3
    broadcast = a_broadcast()
    rows = some_due(7, broadcast, now)

    assert issue(now) == 7

    tickets = issued_tickets()
    assert [len(ticket.deliveries) for ticket in tickets] == [3, 3, 1]
    assert {(ticket.broadcast, ticket.channel) for ticket in tickets} == {(broadcast.pk, EMAIL)}
    assert sorted(number for ticket in tickets for number in ticket.deliveries) == [row.pk for row in rows]


def test_a_reserved_row_is_not_due_again_before_its_tickets_lifetime_ends(now: datetime, settings: Settings) -> None:
    settings.TICKET_LIFETIME_SECONDS = 900
    (row,) = some_due(1, a_broadcast(), now)

    assert issue(now) == 1
    assert fresh(row).due_at == now + LIFETIME
    assert issue(now + LIFETIME - SECOND) == 0
    assert issue(now + LIFETIME) == 1


def test_dying_between_reserving_and_publishing_is_healed_by_the_due_time(
    now: datetime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TICKET_LIFETIME_SECONDS = 900
    (row,) = some_due(1, a_broadcast(), now)

    class Killed(BaseException):
        pass

    def die(self: DatabaseTransport, tickets: Sequence[Ticket]) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DatabaseTransport, "publish", die)
        with pytest.raises(Killed):
            issue(now)

    assert issued_tickets() == []
    assert issue(now + LIFETIME) == 1
    assert [ticket.deliveries for ticket in issued_tickets()] == [(row.pk,)]


def test_a_publish_that_fails_makes_its_rows_due_again(now: datetime) -> None:
    rows = some_due(3, a_broadcast(), now)

    with pytest.raises(TransportError):
        tickets.issue_tickets(channel=EMAIL, transport=BrokenTransport(), now=now)

    assert {fresh(row).due_at for row in rows} == {now}
    assert issue(now) == 3


def test_what_was_claimed_from_a_publish_that_half_failed_stays_claimed(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE = 1
    first, second = some_due(2, a_broadcast(), now)

    class Impatient(BrokenTransport):
        def publish(self, tickets: Sequence[Ticket]) -> None:
            claimed.append(
                claims.claim(
                    broadcast_id=tickets[0].broadcast,
                    channel=EMAIL,
                    delivery_ids=tickets[0].deliveries,
                    token=uuid.uuid4(),
                    now=now,
                )
            )
            super().publish(tickets)

    claimed: list[claims.Claim] = []
    with pytest.raises(TransportError):
        tickets.issue_tickets(channel=EMAIL, transport=Impatient(takes=1), now=now)

    assert [message.delivery_id for message in claimed[0].messages] == [first.pk]
    assert (fresh(first).state, fresh(first).due_at) == (State.SENDING, claimed[0].lease_ends_at)
    assert (fresh(second).state, fresh(second).due_at) == (State.PENDING, now)


def test_no_more_is_issued_than_the_queue_has_room_for(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE, settings.QUEUE_ROOM = 2, 3
    some_due(10, a_broadcast(), now)

    assert issue(now) == 6
    assert issue(now) == 0
    QueuedTicket.objects.filter(pk__in=QueuedTicket.objects.values("pk")[:1]).delete()
    assert issue(now) == 0, "more than half of the room is still taken"
    QueuedTicket.objects.filter(pk__in=QueuedTicket.objects.values("pk")[:1]).delete()
    assert issue(now) == 4
    assert len(issued_tickets()) == 3


def test_each_channel_has_a_queue_and_a_room_of_its_own(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE, settings.QUEUE_ROOM = 1, 1
    broadcast = a_broadcast()
    some_due(2, broadcast, now)
    some_due(2, broadcast, now, channel=SMS)

    assert (issue(now, EMAIL), issue(now, SMS)) == (1, 1)
    assert len(issued_tickets(EMAIL)) == len(issued_tickets(SMS)) == 1


def test_a_small_broadcast_does_not_wait_behind_a_huge_one(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE, settings.QUEUE_ROOM = 2, 4
    huge, small = a_broadcast(), a_broadcast()
    some_due(50, huge, now)
    some_due(2, small, now)

    assert issue(now) == 6

    numbers = [ticket.broadcast for ticket in issued_tickets()]
    assert sorted(numbers) == [huge.pk, huge.pk, small.pk]


def test_what_one_broadcast_does_not_need_goes_to_the_next(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE, settings.QUEUE_ROOM = 2, 4
    small, huge = a_broadcast(), a_broadcast()
    some_due(1, small, now)
    some_due(50, huge, now)

    assert issue(now) == 1 + 3 * 2


def test_a_retry_that_is_due_becomes_pending_and_travels_again(now: datetime) -> None:
    broadcast = a_broadcast()
    due = a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now, attempts=2, lease_token=uuid.uuid4())
    early = a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now + SECOND)

    assert issue(now) == 1

    assert (fresh(due).state, fresh(due).attempts, fresh(due).lease_token) == (State.PENDING, 2, None)
    assert fresh(early).state == State.RETRYING
    assert [ticket.deliveries for ticket in issued_tickets()] == [(due.pk,)]


def test_rows_that_are_being_sent_or_settled_are_not_issued(now: datetime) -> None:
    broadcast = a_broadcast()
    for state in (State.SENDING, *Delivery.SETTLED):
        a_delivery(broadcast=broadcast, state=state, due_at=now - SECOND)

    assert issue(now) == 0


@pytest.mark.parametrize("state", [Broadcast.State.PAUSED, Broadcast.State.CANCELLED, Broadcast.State.FINISHED])
def test_nothing_is_issued_for_a_broadcast_that_does_not_run(now: datetime, state: Broadcast.State) -> None:
    some_due(2, a_broadcast(state=state), now)

    assert issue(now) == 0
    assert issued_tickets() == []


def test_without_anything_due_the_broker_is_not_even_asked(now: datetime) -> None:
    a_broadcast()

    class Unreachable(BrokenTransport):
        def depth(self, channel: Channel) -> int:
            raise TransportError("asked")

    assert tickets.issue_tickets(channel=EMAIL, transport=Unreachable(), now=now) == 0


# --- While a channel's breaker is open --------------------------------------------------------------------------------
def test_while_the_breaker_is_open_nothing_is_issued_before_the_probe_is_due(now: datetime) -> None:
    an_open_breaker(now=now, probe_at=now + SECOND)
    rows = some_due(3, a_broadcast(), now)

    assert issue(now) == 0
    assert issued_tickets() == []
    assert {fresh(row).due_at for row in rows} == {now}


def test_the_probe_is_one_ticket_with_one_delivery_that_bears_its_mark(now: datetime, settings: Settings) -> None:
    settings.BREAKER_PROBE_SECONDS = 30
    breaker = an_open_breaker(now=now)
    rows = some_due(250, a_broadcast(), now)

    assert issue(now) == 1

    (ticket,) = issued_tickets()
    (probe,) = ticket.deliveries
    breaker.refresh_from_db()
    assert Delivery.objects.get(pk=probe).due_at == breaker.probe_at == now + 30 * SECOND
    assert {fresh(row).due_at for row in rows if row.pk != probe} == {now}
    assert issue(now + 29 * SECOND) == 0


def test_the_probe_is_the_retry_that_has_been_due_for_longest_if_there_is_one(now: datetime) -> None:
    """A server that puts everybody off at first refuses each delivery that was never tried."""
    an_open_breaker(now=now)
    broadcast = a_broadcast()
    for _ in range(3):
        a_delivery(broadcast=broadcast, due_at=now - 60 * SECOND)
    later, retry = (
        a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now - seconds * SECOND, attempts=1)
        for seconds in (1, 2)
    )
    a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now + SECOND)

    assert issue(now) == 1

    (ticket,) = issued_tickets()
    assert ticket.deliveries == (retry.pk,)
    assert (fresh(retry).state, fresh(later).state) == (State.PENDING, State.RETRYING)


def test_the_probe_is_a_retry_that_greylisting_would_let_pass(now: datetime) -> None:
    """One after the other, each would be refused a second time before any has its third try."""
    an_open_breaker(now=now)
    broadcast = a_broadcast()
    *_, twice, full = (
        a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now - ago * SECOND, attempts=attempts)
        for ago, attempts in [(30, 1), (29, 1), (1, 2), (40, 3)]
    )

    for _ in range(2):
        assert issue(now) == 1
        Breaker.objects.update(issued=0, probe_at=now)

    first, second = (ticket.deliveries for ticket in issued_tickets())
    assert first == (twice.pk,)
    assert second != (full.pk,)


def test_one_mailbox_that_stays_full_does_not_take_every_probe(now: datetime) -> None:
    """Its next try is due again at each probe, while the provider would take everybody else's."""
    breaker = an_open_breaker(now=now)
    one, other = a_broadcast(), a_broadcast()
    full = [a_delivery(broadcast=each, state=State.RETRYING, due_at=now, attempts=1) for each in (one, other)]
    for each in (one, other):
        some_due(5, each, now)

    for _ in range(8):
        assert issue(now) == 1
        Delivery.objects.filter(pk__in=[row.pk for row in full]).update(state=State.RETRYING, due_at=now)
        assert breaker.opened_at
        breakers.judge(channel=EMAIL, opened_at=breaker.opened_at, succeeded=False, detail="452 full", now=now)
        breakers.probe_now(channel=EMAIL, now=now)

    is_full = [ticket.deliveries[0] in [row.pk for row in full] for ticket in issued_tickets()]
    assert is_full == [True, True, False, False, True, True, False, False]


def test_where_every_delivery_waits_for_a_retry_each_probe_is_one(now: datetime) -> None:
    an_open_breaker(now=now)
    row = a_delivery(broadcast=a_broadcast(), state=State.RETRYING, due_at=now, attempts=1)

    for _ in range(3):
        assert issue(now) == 1
        Delivery.objects.update(state=State.RETRYING, due_at=now)
        breakers.probe_now(channel=EMAIL, now=now)

    assert [ticket.deliveries for ticket in issued_tickets()] == [(row.pk,)] * 3


def test_a_broadcast_whose_probes_show_nothing_does_not_take_every_one(now: datetime) -> None:
    """Its claims fail, or its clients have opted out at the provider: no probe is judged."""
    an_open_breaker(now=now)
    one, other = a_broadcast(), a_broadcast()
    some_due(5, one, now)
    some_due(5, other, now)

    for _ in range(4):
        assert issue(now) == 1
        breakers.probe_now(channel=EMAIL, now=now)

    assert [ticket.broadcast for ticket in issued_tickets()] == [one.pk, other.pk, one.pk, other.pk]


def test_a_probe_that_was_issued_is_claimed_and_its_success_lets_everything_go_on(now: datetime) -> None:
    broadcast = a_broadcast()
    some_due(3, broadcast, now)
    an_open_breaker(now=now)
    issue(now)
    (ticket,) = issued_tickets()

    taken = claims.claim(
        broadcast_id=broadcast.pk, channel=EMAIL, delivery_ids=ticket.deliveries, token=uuid.uuid4(), now=now
    )
    assert taken.probe_of
    breakers.judge(channel=EMAIL, opened_at=taken.probe_of, succeeded=True, detail="", now=now)

    assert issue(now) == 2


def test_a_probe_lost_with_its_consumer_is_followed_by_another(now: datetime, settings: Settings) -> None:
    settings.BREAKER_PROBE_SECONDS = 30
    an_open_breaker(now=now)
    some_due(2, a_broadcast(), now)

    assert [issue(now + seconds * SECOND) for seconds in (0, 1, 30, 31, 60)] == [1, 0, 1, 0, 1]


def test_the_only_delivery_there_is_can_be_the_probe_again_and_again(now: datetime, settings: Settings) -> None:
    settings.BREAKER_PROBE_SECONDS = 30
    an_open_breaker(now=now)
    (row,) = some_due(1, a_broadcast(), now)

    issue(now)
    issue(now + 30 * SECOND)

    assert [ticket.deliveries for ticket in issued_tickets()] == [(row.pk,), (row.pk,)]
    assert fresh(row).due_at == Breaker.objects.get().probe_at


def test_without_anything_due_the_probe_waits_for_the_next_delivery(now: datetime) -> None:
    an_open_breaker(now=now)

    assert issue(now) == 0
    assert Breaker.objects.get().probe_at == now
    some_due(1, a_broadcast(), now)
    assert issue(now) == 1


def test_a_queue_that_nobody_empties_is_not_filled_with_probes(now: datetime, settings: Settings) -> None:
    settings.QUEUE_ROOM = 4
    an_open_breaker(now=now)
    some_due(1, a_broadcast(), now)

    assert sum(issue(now + seconds * SECOND) for seconds in range(0, 3600, 30)) <= 3


def test_probes_take_the_broadcasts_in_turn(now: datetime) -> None:
    """What the provider refuses may be the text of one of them."""
    breaker = an_open_breaker(now=now)
    one, other = a_broadcast(), a_broadcast()
    some_due(5, one, now)
    some_due(5, other, now)

    for _ in range(4):
        issue(now)
        assert breaker.opened_at
        breakers.judge(channel=EMAIL, opened_at=breaker.opened_at, succeeded=False, detail="554", now=now)
        breakers.probe_now(channel=EMAIL, now=now)

    assert [ticket.broadcast for ticket in issued_tickets()] == [one.pk, other.pk, one.pk, other.pk]


def test_while_one_channels_breaker_is_open_the_other_goes_on(now: datetime) -> None:
    an_open_breaker(now=now, channel=EMAIL)
    broadcast = a_broadcast()
    some_due(3, broadcast, now, channel=EMAIL)
    some_due(3, broadcast, now, channel=SMS)

    assert (issue(now, EMAIL), issue(now, SMS)) == (1, 3)


def test_a_probe_that_can_not_be_published_is_due_again(now: datetime) -> None:
    an_open_breaker(now=now)
    (row,) = some_due(1, a_broadcast(), now)

    with pytest.raises(TransportError):
        tickets.issue_tickets(channel=EMAIL, transport=BrokenTransport(), now=now)

    assert fresh(row).due_at == now
    assert issue(now + 60 * SECOND) == 1


def test_while_the_breaker_is_open_no_ticket_looks_lost(now: datetime) -> None:
    """One probe at a time is all that travels, and it would be taken back before it arrived."""
    breaker = an_open_breaker(now=now)
    some_due(2, a_broadcast(), now)
    issue(now)

    assert not looks_lost(now)

    assert breaker.opened_at
    breakers.judge(channel=EMAIL, opened_at=breaker.opened_at, succeeded=True, detail="", now=now)
    assert looks_lost(now)


@concurrent
def test_dispatchers_that_look_at_once_issue_one_probe(now: datetime) -> None:
    an_open_breaker(now=now)
    some_due(20, a_broadcast(), now)

    assert sorted(at_once(*[lambda: issue(now) for _ in range(4)])) == [0, 0, 0, 1]
    assert [len(ticket.deliveries) for ticket in issued_tickets()] == [1]


# --- Sweep ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [Broadcast.State.RUNNING, Broadcast.State.PAUSED, Broadcast.State.CANCELLED])
def test_a_send_whose_lease_ran_out_is_unknown(now: datetime, state: Broadcast.State) -> None:
    row = a_delivery(broadcast=a_broadcast(state=state), state=State.SENDING, due_at=now - SECOND)

    assert sweeps.sweep(now=now) == 1

    after = fresh(row)
    assert (after.state, after.due_at, after.settled_at) == (State.UNKNOWN, None, now)
    assert "may or may not have arrived" in after.detail


def test_a_send_whose_lease_still_runs_is_left_alone(now: datetime) -> None:
    row = a_delivery(state=State.SENDING, due_at=now)

    assert sweeps.sweep(now=now) == 0
    assert fresh(row).state == State.SENDING


def test_a_lease_that_ends_further_ahead_than_any_can_was_taken_before_the_clock_was_set_back(now: datetime) -> None:
    """An hour's wait for a dead consumer's rows would hold up the end, and the search for lost tickets."""
    row = a_delivery(state=State.SENDING, due_at=now + timedelta(hours=1))

    assert sweeps.sweep(now=now) == 1
    assert (fresh(row).state, fresh(row).due_at) == (State.UNKNOWN, None)


def test_what_waits_in_a_cancelled_broadcast_is_cancelled(now: datetime) -> None:
    broadcast = a_broadcast(state=Broadcast.State.CANCELLED)
    pending = a_delivery(broadcast=broadcast, due_at=now + LIFETIME)
    retrying = a_delivery(broadcast=broadcast, channel=SMS, state=State.RETRYING, due_at=now + LIFETIME)
    sending = a_delivery(broadcast=broadcast, state=State.SENDING, due_at=now + SECOND)
    sent = a_delivery(broadcast=broadcast, state=State.SENT)

    assert sweeps.sweep(now=now) == 2

    for row in (fresh(pending), fresh(retrying)):
        assert (row.state, row.due_at, row.settled_at) == (State.CANCELLED, None, now)
        assert row.detail == "broadcast cancelled"
    assert (fresh(sending).state, fresh(sent).state) == (State.SENDING, State.SENT)


@pytest.mark.parametrize("state", [Broadcast.State.RUNNING, Broadcast.State.PAUSED])
def test_what_waits_in_a_broadcast_that_is_not_cancelled_goes_on_waiting(now: datetime, state: Broadcast.State) -> None:
    broadcast = a_broadcast(state=state)
    a_delivery(broadcast=broadcast, due_at=now - LIFETIME)
    a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now - LIFETIME)

    assert sweeps.sweep(now=now) == 0


def test_a_large_cancelled_broadcast_is_swept_in_chunks(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_updates, "CHUNK", 2)
    some_due(5, a_broadcast(state=Broadcast.State.CANCELLED), now)

    assert [sweeps.sweep(now=now) for _ in range(4)] == [2, 2, 1, 0]


# --- Lost tickets -----------------------------------------------------------------------------------------------------
def looks_lost(now: datetime, *, depth: int = 0) -> bool:
    return tickets.looks_lost(channel=EMAIL, depth=depth, now=now)


def test_rows_in_tickets_that_no_queue_holds_look_lost(now: datetime) -> None:
    some_due(1, a_broadcast(), now)
    assert not looks_lost(now)

    issue(now)

    assert looks_lost(now)
    assert not looks_lost(now, depth=1)


def test_while_one_is_being_sent_nothing_looks_lost(now: datetime) -> None:
    broadcast = a_broadcast()
    some_due(2, broadcast, now)
    issue(now)
    a_delivery(broadcast=broadcast, state=State.SENDING, due_at=now + LIFETIME)

    assert not looks_lost(now)


def test_a_consumer_that_stands_still_does_not_hide_what_is_lost(now: datetime, settings: Settings) -> None:
    """It keeps what it has claimed until its lease ends, and that is minutes."""
    settings.LEASE_SECONDS = 300
    broadcast = a_broadcast()
    some_due(2, broadcast, now)
    issue(now)
    a_delivery(broadcast=broadcast, state=State.SENDING, due_at=now + 300 * SECOND)

    assert not looks_lost(now + 4 * SECOND)
    assert looks_lost(now + 5 * SECOND)


def test_what_waits_for_its_own_time_is_not_lost(now: datetime) -> None:
    broadcast = a_broadcast()
    given_back, released, _ = some_due(3, broadcast, now)
    claims.release(delivery_ids=[given_back.pk], due_at=now + LIFETIME)
    taken = claims.claim(
        broadcast_id=broadcast.pk, channel=EMAIL, delivery_ids=[released.pk], token=uuid.uuid4(), now=now
    )
    (message,) = taken.messages
    away = settlements.Outcome(message, settlements.Verdict.RELEASED, wait=LIFETIME)
    settlements.settle(claim=taken, outcomes=[away], now=now)
    retrying = a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now + LIFETIME)

    assert not looks_lost(now)
    assert tickets.reissue_lost(channel=EMAIL, now=now) == 0
    assert {fresh(row).due_at for row in (given_back, released, retrying)} == {now + LIFETIME}


@pytest.mark.parametrize("state", [Broadcast.State.PAUSED, Broadcast.State.CANCELLED])
def test_only_a_running_broadcast_loses_tickets(now: datetime, state: Broadcast.State) -> None:
    broadcast = a_broadcast(state=state)
    row = a_delivery(broadcast=broadcast, due_at=now + LIFETIME)

    assert not looks_lost(now)
    assert tickets.reissue_lost(channel=EMAIL, now=now) == 0
    assert fresh(row).due_at == now + LIFETIME


def test_lost_rows_of_this_channel_are_due_at_once(now: datetime) -> None:
    broadcast = a_broadcast()
    mail = some_due(2, broadcast, now)
    (text,) = some_due(1, broadcast, now, channel=SMS)
    issue(now)
    issue(now, SMS)

    assert tickets.reissue_lost(channel=EMAIL, now=now + SECOND) == 2

    assert {fresh(row).due_at for row in mail} == {now + SECOND}
    assert fresh(text).due_at == now + LIFETIME


# --- Tickets that hang while others finish ----------------------------------------------------------------------------
def issue_one(broadcast: Broadcast, at: datetime) -> Delivery:
    (row,) = some_due(1, broadcast, at)
    assert issue(at) == 1
    return row


def claim_one(row: Delivery, at: datetime) -> None:
    claim = claims.claim(
        broadcast_id=row.broadcast_id, channel=EMAIL, delivery_ids=[row.pk], token=uuid.uuid4(), now=at
    )
    assert len(claim.messages) == 1


def look(overtaken: tickets.Overtaken, at: datetime) -> int:
    """As the dispatcher does; returns how many are issued again."""
    before = overtaken.look(tickets.travelling(channel=EMAIL, now=at), at)
    return tickets.reissue_lost(channel=EMAIL, now=at, issued_before=before) if before else 0


@pytest.fixture
def overtaken() -> tickets.Overtaken:
    return tickets.Overtaken()


def test_a_ticket_that_hangs_while_a_later_one_is_claimed_is_issued_again(
    now: datetime, overtaken: tickets.Overtaken
) -> None:
    broadcast = a_broadcast()
    hangs = issue_one(broadcast, now)
    goes_on, waits = (issue_one(broadcast, now + seconds * SECOND) for seconds in (6, 7))
    now += 7 * SECOND
    assert look(overtaken, now) == 0

    claim_one(goes_on, now)

    assert look(overtaken, now + SECOND) == 1
    assert fresh(hangs).due_at == now + SECOND
    assert fresh(waits).due_at == now + LIFETIME
    assert issue(now + SECOND) == 1


def test_a_long_and_slow_queue_overtakes_nothing(now: datetime, overtaken: tickets.Overtaken) -> None:
    broadcast = a_broadcast()
    rows = [issue_one(broadcast, now + 10 * second * SECOND) for second in range(10)]
    now += 100 * SECOND

    for row in rows:
        assert look(overtaken, now) == 0
        claim_one(row, now)
        now += 20 * SECOND
    assert look(overtaken, now) == 0


def test_tickets_that_were_issued_together_end_in_any_order(now: datetime, overtaken: tickets.Overtaken) -> None:
    """Two consumers with one each, and one of them is slower."""
    broadcast = a_broadcast()
    issue_one(broadcast, now)
    later = issue_one(broadcast, now + 5 * SECOND)
    now += 5 * SECOND
    look(overtaken, now)

    claim_one(later, now)

    assert look(overtaken, now + SECOND) == 0


def test_what_was_issued_again_is_not_issued_over_and_over(now: datetime, overtaken: tickets.Overtaken) -> None:
    """Its first ticket comes after all, and claims what belongs to the second: that has overtaken nothing."""
    broadcast = a_broadcast()
    hangs = issue_one(broadcast, now)
    goes_on, waits = (issue_one(broadcast, now + seconds * SECOND) for seconds in (6, 7))
    now += 8 * SECOND
    look(overtaken, now)
    claim_one(goes_on, now)
    assert look(overtaken, now + SECOND) == 1
    now += 20 * SECOND
    assert issue(now) == 1
    look(overtaken, now)

    claim_one(hangs, now)

    assert look(overtaken, now + SECOND) == 0
    assert look(overtaken, now + 60 * SECOND) == 0
    assert fresh(waits).state == State.PENDING


def test_the_end_of_a_tickets_lifetime_is_no_claim(now: datetime, overtaken: tickets.Overtaken) -> None:
    broadcast = a_broadcast()
    some_due(1, broadcast, now)
    some_due(1, broadcast, now + 10 * SECOND)
    Delivery.objects.filter(due_at=now).update(due_at=now + LIFETIME)
    Delivery.objects.filter(due_at=now + 10 * SECOND).update(due_at=now + LIFETIME - 6 * SECOND)
    look(overtaken, now)

    assert look(overtaken, now + LIFETIME) == 0


def test_a_clock_that_was_set_back_overtakes_nothing(now: datetime, overtaken: tickets.Overtaken) -> None:
    broadcast = a_broadcast()
    issue_one(broadcast, now)
    look(overtaken, now)

    earlier = now - timedelta(hours=1)
    waits = issue_one(broadcast, earlier)

    assert look(overtaken, earlier) == 0
    assert look(overtaken, earlier + 20 * SECOND) == 0
    assert fresh(waits).due_at == earlier + LIFETIME


def test_while_the_breaker_is_open_nothing_travels(now: datetime) -> None:
    issue_one(a_broadcast(), now)
    assert tickets.travelling(channel=EMAIL, now=now) == {now + LIFETIME: 1}

    an_open_breaker(now=now)

    assert tickets.travelling(channel=EMAIL, now=now) == {}


def test_only_tickets_travel(now: datetime) -> None:
    broadcast = a_broadcast()
    some_due(1, broadcast, now)
    a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now + SECOND)
    a_delivery(broadcast=broadcast, state=State.SENDING, due_at=now + SECOND)
    a_delivery(broadcast=broadcast, due_at=now + SECOND, lease_token=uuid.uuid4())
    a_delivery(broadcast=broadcast, due_at=now + SECOND, channel=SMS)
    a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED), due_at=now + SECOND)

    assert tickets.travelling(channel=EMAIL, now=now) == {}


# --- Two at once ------------------------------------------------------------------------------------------------------
@concurrent
def test_dispatchers_that_expand_at_once_make_each_row_once(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 3
    for _ in range(20):
        a_client(listings="both")
    broadcast = a_broadcast()

    def expand_until_done() -> None:
        while Broadcast.objects.to_expand().exists():
            fanout.expand(broadcast_id=broadcast.pk, now=now)

    assert at_once(*[expand_until_done] * 3) == [None] * 3

    broadcast.refresh_from_db()
    assert broadcast.audience == len(made(broadcast)) == 40


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_broadcast_that_another_dispatcher_expands_is_passed_over(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 1
    clients = [a_client(listings="email") for _ in range(2)]
    broadcast = a_broadcast()

    with OtherConnection() as other:
        other.begin()
        assert other.call(lambda: fanout.expand(broadcast_id=broadcast.pk, now=now)) == 1
        with impatient():
            assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None
        other.commit()

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 1
    assert made(broadcast) == {(client.pk, EMAIL) for client in clients}


@concurrent
def test_dispatchers_that_issue_at_once_never_issue_the_same_row(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE = 3
    rows = some_due(40, a_broadcast(), now)

    issued = at_once(*[lambda: issue(now)] * 3)

    assert sum(issued) <= 40
    issue(now)
    numbers = [number for ticket in issued_tickets() for number in ticket.deliveries]
    assert sorted(numbers) == [row.pk for row in rows]


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_cancel_waits_for_a_chunk_under_way_and_none_of_it_is_sent(now: datetime) -> None:
    a_client(listings="email")
    broadcast = a_broadcast()

    with OtherConnection() as expanding, OtherConnection() as staff:
        expanding.begin()
        expanding.call(lambda: fanout.expand(broadcast_id=broadcast.pk, now=now))
        cancelled = staff.start_and_wait_until_blocked(lambda: lifecycle.cancel(broadcast_id=broadcast.pk))
        expanding.commit()
        cancelled.result(30)
    sweeps.sweep(now=now)

    broadcast.refresh_from_db()
    assert broadcast.audience == 1
    assert [row.state for row in broadcast.deliveries.all()] == [State.CANCELLED]


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("step", ["reserve", "sweep", "reissue", "give back"])
def test_the_dispatcher_never_waits_for_a_consumer(now: datetime, step: str) -> None:
    """Rows that a claim holds are passed over: two statements that wait for each other would deadlock."""
    state = Broadcast.State.CANCELLED if step == "sweep" else Broadcast.State.RUNNING
    broadcast = a_broadcast(state=state)
    late = now + LIFETIME if step in ("reissue", "give back") else now
    held, free = (a_delivery(broadcast=broadcast, due_at=late) for _ in range(2))

    class HeldWhilePublishing(BrokenTransport):
        def publish(self, tickets: Sequence[Ticket]) -> None:
            other.begin()
            other.call(lambda: Delivery.objects.select_for_update().get(pk=held.pk))
            super().publish(tickets)

    with OtherConnection() as other:
        if step == "give back":
            Delivery.objects.update(due_at=now)
            with pytest.raises(TransportError), impatient():
                tickets.issue_tickets(channel=EMAIL, transport=HeldWhilePublishing(), now=now)
        else:
            other.begin()
            other.call(lambda: Delivery.objects.select_for_update().get(pk=held.pk))
            with impatient():
                {
                    "reserve": lambda: issue(now),
                    "sweep": lambda: sweeps.sweep(now=now),
                    "reissue": lambda: tickets.reissue_lost(channel=EMAIL, now=now),
                }[step]()
        other.commit()

    changed, left = fresh(free), fresh(held)
    assert (changed.state, changed.due_at) != (left.state, left.due_at)


def test_topics_are_told_apart(now: datetime) -> None:
    client = a_client(listings="email", offerings="sms")
    broadcast = a_broadcast(notification=a_notification(topic=a_topic(slug="offerings")))

    expand_all(broadcast, now)

    assert made(broadcast) == {(client.pk, SMS)}


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_statistics_do_not_wait_for_a_vacuum(now: datetime) -> None:
    """A vacuum holds this lock, and the dispatcher's heartbeat would stand still with it."""
    a_client(listings="email")
    broadcast = a_broadcast()
    with OtherConnection() as vacuum:
        vacuum.begin()
        vacuum.call(lambda: connection.cursor().execute(f"LOCK TABLE {fanout.TABLE} IN SHARE UPDATE EXCLUSIVE MODE"))
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")

        made = fanout.expand(broadcast_id=broadcast.pk, now=now)

        vacuum.commit()
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
    assert made == 1
