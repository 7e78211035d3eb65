"""One contract, two transports; run on both databases, which makes the four pairs."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from django.db import transaction

from notifier.models import Channel
from notifier.transport.base import MAX_BODY_BYTES, DeadLetter, Received, Ticket, Transport, TransportError, encode
from tests.notifier.transport.carriers import (
    BAD_BODIES,
    Carrier,
    RabbitCarrier,
    a_ticket,
    nothing_comes,
    settles,
    take,
)
from tests.support.database.connections import at_once

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
IDLE = 0.05


@pytest.fixture
def transport(carrier: Carrier) -> Iterator[Transport]:
    with closing(carrier.transport()) as transport:
        yield transport


def receive(transport: Transport, channel: Channel = EMAIL) -> "closing[Iterator[Received | None]]":  # type: ignore[type-var]
    return closing(transport.receive(channel, IDLE))  # type: ignore[type-var]


# --- Publish, receive, ack --------------------------------------------------------------------------------------------
def test_what_is_published_is_received_as_it_was(transport: Transport) -> None:
    ticket = a_ticket(1, 2**63 - 1, broadcast=2**63 - 1)

    transport.publish([ticket])

    with receive(transport) as tickets:
        assert take(tickets).ticket == ticket


def test_tickets_come_in_the_order_in_which_they_were_published(transport: Transport) -> None:
    published = [a_ticket(number) for number in range(1, 8)]
    transport.publish(published[:3])
    transport.publish(published[3:])

    received = []
    with receive(transport) as tickets:
        for _ in published:
            received.append(take(tickets))
            received[-1].ack()

    assert [one.ticket for one in received] == published


def test_nothing_to_publish_is_no_fault(transport: Transport) -> None:
    transport.publish([])

    assert transport.depth(EMAIL) == 0


def test_each_channel_has_a_queue_of_its_own(transport: Transport) -> None:
    transport.publish([a_ticket(1), a_ticket(2, channel=SMS)])

    with receive(transport, SMS) as tickets:
        received = take(tickets)
        received.ack()
        assert received.ticket.deliveries == (2,)
        assert nothing_comes(tickets)
    assert transport.depth(EMAIL) == 1


def test_without_a_ticket_it_yields_none_again_and_again(transport: Transport) -> None:
    with receive(transport) as tickets:
        assert [next(tickets) for _ in range(3)] == [None, None, None]

        transport.publish([a_ticket()])
        received = take(tickets)

        received.ack()
        assert nothing_comes(tickets)


def test_an_acked_ticket_never_comes_again(carrier: Carrier, transport: Transport) -> None:
    transport.publish([a_ticket()])
    with receive(transport) as tickets:
        take(tickets).ack()

    carrier.let_holders_expire()

    with receive(carrier.transport()) as tickets:
        assert nothing_comes(tickets)
    assert transport.depth(EMAIL) == 0


def test_closing_the_iterator_gives_back_what_was_not_acked(carrier: Carrier, transport: Transport) -> None:
    published = [a_ticket(1), a_ticket(2)]
    transport.publish(published)
    with receive(transport) as tickets:
        take(tickets)

    assert settles(lambda: transport.depth(EMAIL), 2)
    with receive(carrier.transport()) as tickets:
        again = [take(tickets), take(tickets)]
        for received in again:
            received.ack()

    assert sorted(received.ticket.deliveries for received in again) == [(1,), (2,)]


def test_closing_the_iterator_keeps_what_was_acked_or_rejected_away(carrier: Carrier, transport: Transport) -> None:
    transport.publish([a_ticket(1), a_ticket(2), a_ticket(3)])
    with receive(transport) as tickets:
        take(tickets).ack()
        take(tickets).reject()
        take(tickets)

    with receive(carrier.transport()) as tickets:
        assert take(tickets).ticket == a_ticket(3)
        assert nothing_comes(tickets)


def test_what_a_dead_receiver_held_comes_again(carrier: Carrier, transport: Transport) -> None:
    transport.publish([a_ticket()])
    abandoned = carrier.transport()
    held = abandoned.receive(EMAIL, IDLE)
    take(held)
    with receive(transport) as tickets:
        assert nothing_comes(tickets)

        carrier.let_holders_expire()
        if isinstance(carrier, RabbitCarrier):
            held.close()  # type: ignore[attr-defined]  # a real kill is the fault tests' part

        assert take(tickets).ticket == a_ticket()
    held.close()  # type: ignore[attr-defined]


def test_an_ack_after_the_ticket_went_to_somebody_else_takes_nothing_from_them(
    carrier: Carrier, transport: Transport
) -> None:
    transport.publish([a_ticket()])
    with receive(transport) as tickets:
        slow = take(tickets)
    carrier.let_holders_expire()
    with receive(carrier.transport()) as tickets:
        take(tickets)
        slow.ack()

    assert settles(lambda: transport.depth(EMAIL), 1)


# --- Reject and bad bodies --------------------------------------------------------------------------------------------
def test_a_rejected_ticket_is_put_among_the_dead(carrier: Carrier, transport: Transport) -> None:
    transport.publish([a_ticket()])

    with receive(transport) as tickets:
        take(tickets).reject()

    assert settles(carrier.dead, [encode(a_ticket())])
    assert transport.depth(EMAIL) == 0


def test_what_is_no_ticket_is_put_aside_logged_once_and_stops_nothing(
    carrier: Carrier, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    transport.publish([a_ticket(1)])
    for body in BAD_BODIES.values():
        carrier.put(body, EMAIL)
    transport.publish([a_ticket(2)])

    with caplog.at_level(logging.WARNING), receive(transport) as tickets:
        received = [take(tickets), take(tickets)]
        for one in received:
            one.ack()
        assert nothing_comes(tickets)

    assert [one.ticket.deliveries for one in received] == [(1,), (2,)]
    # Of an oversize one the beginning is enough.
    assert settles(
        lambda: sorted(body[:MAX_BODY_BYTES] for body in carrier.dead()),
        sorted(body[:MAX_BODY_BYTES] for body in BAD_BODIES.values()),
    )
    assert len(caplog.records) == len(BAD_BODIES)
    assert transport.depth(EMAIL) == 0


def test_what_is_no_ticket_is_not_quoted_in_the_log(
    carrier: Carrier, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    assert transport.depth(EMAIL) == 0  # the queues are there
    carrier.put(b'{"to": "ann@example.com", "v": 1}', EMAIL)

    with caplog.at_level(logging.DEBUG, "notifier"), receive(transport) as tickets:
        assert nothing_comes(tickets)
        assert settles(lambda: len(carrier.dead()), 1)

    assert "can’t be read" in caplog.text
    assert "ann@example.com" not in caplog.text


# --- Depth ------------------------------------------------------------------------------------------------------------
def test_the_depth_counts_what_waits_and_not_what_is_held(transport: Transport) -> None:
    assert transport.depth(EMAIL) == 0

    transport.publish([a_ticket(number) for number in range(1, 6)])
    transport.publish([a_ticket(channel=SMS)])

    assert settles(lambda: transport.depth(EMAIL), 5)
    assert transport.depth(SMS) == 1


def test_the_depth_of_queues_that_were_deleted_is_nought(carrier: Carrier, transport: Transport) -> None:
    transport.publish([a_ticket()])
    carrier.lose_everything()

    assert transport.depth(EMAIL) == 0

    transport.publish([a_ticket()])
    assert settles(lambda: transport.depth(EMAIL), 1)


def test_publishing_survives_queues_that_were_deleted(carrier: Carrier, transport: Transport) -> None:
    transport.publish([a_ticket(1)])
    carrier.lose_everything()

    transport.publish([a_ticket(2), a_ticket(3, channel=SMS), a_ticket(4)])

    with receive(transport) as tickets:
        received = [take(tickets), take(tickets)]
    assert sorted(one.ticket.deliveries for one in received) == [(2,), (4,)]
    assert transport.depth(SMS) == 1


# --- Dead letters -----------------------------------------------------------------------------------------------------
def put_aside(carrier: Carrier, transport: Transport, *bodies: bytes, channel: Channel = EMAIL) -> None:
    """As a consumer does with what it can't read."""
    expected = transport.dead() + len(bodies)
    for body in bodies:
        carrier.put(body, channel)
    with receive(transport, channel) as tickets:
        assert settles(lambda: (next(tickets), transport.dead()), (None, expected))


def test_without_a_dead_letter_there_is_nothing_to_count_to_show_or_to_discard(transport: Transport) -> None:
    transport.publish([a_ticket()])

    assert (transport.dead(), list(transport.dead_letters(20)), transport.purge_dead()) == (0, [], 0)

    assert settles(lambda: transport.depth(EMAIL), 1)


def test_dead_letters_are_counted_over_all_channels_and_apart_from_what_waits(
    carrier: Carrier, transport: Transport
) -> None:
    assert transport.dead() == 0  # the queues are there
    put_aside(carrier, transport, b"one", b"two")
    put_aside(carrier, transport, b"three", channel=SMS)
    transport.publish([a_ticket()])

    assert settles(lambda: transport.depth(EMAIL), 1)
    assert (transport.dead(), transport.depth(SMS)) == (3, 0)


def test_the_oldest_are_shown_with_their_channel_and_stay_where_they_are(
    carrier: Carrier, transport: Transport
) -> None:
    assert transport.dead() == 0
    put_aside(carrier, transport, b"one")
    put_aside(carrier, transport, b"two", channel=SMS)
    put_aside(carrier, transport, b"three")

    for _ in range(2):
        assert list(transport.dead_letters(2)) == [DeadLetter(b"one", EMAIL), DeadLetter(b"two", SMS)]
        assert settles(transport.dead, 3)
    assert list(transport.dead_letters(0)) == []
    assert [letter.body for letter in transport.dead_letters(20)] == [b"one", b"two", b"three"]


def test_a_rejected_ticket_is_shown_as_one_that_can_be_read(carrier: Carrier, transport: Transport) -> None:
    transport.publish([a_ticket(1, 2, broadcast=7)])
    with receive(transport) as tickets:
        take(tickets).reject()
        assert settles(transport.dead, 1)

    (letter,) = transport.dead_letters(20)

    assert (letter.ticket, letter.channel) == (a_ticket(1, 2, broadcast=7), EMAIL)
    assert letter.reason == "it can be read, and a consumer rejected it"


def test_a_purge_discards_the_dead_and_nothing_else(carrier: Carrier, transport: Transport) -> None:
    assert transport.dead() == 0
    put_aside(carrier, transport, b"one", b"two")
    put_aside(carrier, transport, b"three", channel=SMS)
    transport.publish([a_ticket()])

    assert transport.purge_dead() == 3

    assert (transport.dead(), list(transport.dead_letters(20))) == (0, [])
    assert settles(lambda: transport.depth(EMAIL), 1)


def test_the_dead_of_queues_that_were_deleted_are_none(carrier: Carrier, transport: Transport) -> None:
    assert transport.dead() == 0
    put_aside(carrier, transport, b"one")
    calls: list[Callable[[], object]] = [
        transport.dead,
        lambda: len(transport.dead_letters(20)),
        transport.purge_dead,
    ]

    for call in calls:
        carrier.lose_everything()
        assert call() == 0

    put_aside(carrier, transport, b"two")


# --- Several at once --------------------------------------------------------------------------------------------------
def test_two_receivers_never_hold_the_same_ticket(carrier: Carrier, transport: Transport) -> None:
    transport.publish([a_ticket(1), a_ticket(2)])

    with receive(carrier.transport()) as one, receive(carrier.transport()) as other:
        # The first holds its ticket while the second asks.
        first = take(one)
        first.ack()
        transport.publish([a_ticket(number) for number in range(3, 9)])
        held = [take(one), take(other)]
        numbers = {first.ticket.deliveries} | {received.ticket.deliveries for received in held}

    assert len(numbers) == 3


@pytest.mark.django_db(transaction=True)
def test_many_receivers_share_the_work_and_do_each_ticket_once(carrier: Carrier, transport: Transport) -> None:
    published = {a_ticket(number) for number in range(1, 31)}
    done: list[Ticket] = []
    finished = threading.Event()

    def work() -> None:
        with receive(carrier.transport()) as tickets:
            for received in tickets:
                if finished.is_set():
                    return
                if received:
                    done.append(received.ticket)
                    received.ack()
                    if len(done) >= len(published):
                        finished.set()

    transport.publish(list(published))
    answers = at_once(work, work, work)

    assert answers == [None] * 3
    assert len(done) == len(published)
    assert set(done) == published
    assert settles(lambda: transport.depth(EMAIL), 0)


# --- Faults and endings -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("call", ["publish", "depth", "receive", "dead", "dead_letters", "purge_dead"])
def test_a_broker_that_is_away_is_a_transport_error_that_gives_no_password(carrier: Carrier, call: str) -> None:
    with closing(carrier.broken()) as transport, transaction.atomic(), carrier.outage():
        calls: dict[str, Callable[[], object]] = {
            "publish": lambda: transport.publish([a_ticket()]),
            "depth": lambda: transport.depth(EMAIL),
            "receive": lambda: next(transport.receive(EMAIL, 30)),
            "dead": transport.dead,
            "dead_letters": lambda: transport.dead_letters(20),
            "purge_dead": transport.purge_dead,
        }
        for _ in range(2):  # the second try fails alike, and not in a new way
            with pytest.raises(TransportError) as caught, transaction.atomic():
                calls[call]()

    said = str(caught.value)
    assert ("127.0.0.1" if isinstance(carrier, RabbitCarrier) else "the queue in the database") in said
    assert "secret" not in said
    assert len(said.splitlines()) == 1


def test_making_one_connects_to_nothing(carrier: Carrier) -> None:
    with transaction.atomic(), carrier.outage():
        carrier.broken().close()


def test_closing_twice_is_no_fault_and_the_next_call_opens_again(transport: Transport) -> None:
    transport.publish([a_ticket()])

    transport.close()
    transport.close()
    transport.publish([a_ticket()])

    assert settles(lambda: transport.depth(EMAIL), 2)


def test_an_iterator_that_was_closed_may_be_closed_again_and_another_opened(transport: Transport) -> None:
    tickets = transport.receive(EMAIL, IDLE)
    assert next(tickets) is None
    for _ in range(2):
        tickets.close()  # type: ignore[attr-defined]

    transport.publish([a_ticket()])

    with receive(transport) as others:
        assert take(others).ticket == a_ticket()


def test_an_iterator_closed_before_its_first_ticket_takes_none(transport: Transport) -> None:
    transport.publish([a_ticket()])

    transport.receive(EMAIL, IDLE).close()  # type: ignore[attr-defined]

    assert settles(lambda: transport.depth(EMAIL), 1)
