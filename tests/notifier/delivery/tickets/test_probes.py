"""While a channel's breaker is open: one probe is issued, and nothing beside it."""

import uuid
from datetime import datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from notifier.delivery import claims, tickets
from notifier.models import Breaker, Channel, Delivery
from notifier.policies import breakers
from notifier.transport.base import TransportError
from tests.notifier.delivery.calls import BrokenTransport, fresh, issue, issued_tickets, looks_lost, some_due
from tests.support.database.connections import at_once
from tests.support.factories import a_broadcast, a_delivery, an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)
concurrent = pytest.mark.django_db(transaction=True)


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


def test_the_probe_is_the_retry_that_was_first_tried_longest_ago(now: datetime, settings: Settings) -> None:
    """Greylisting takes a time from the first try on, however many follow."""
    settings.RETRY_BASE_SECONDS = 15
    an_open_breaker(now=now)
    broadcast = a_broadcast()
    *_, old = (
        a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now - ago * SECOND, attempts=attempts)
        for ago, attempts in [(10, 2), (60, 1), (90, 1)]
    )

    assert issue(now) == 1

    assert [ticket.deliveries for ticket in issued_tickets()] == [(old.pk,)]


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
        breakers.settle_probe(channel=EMAIL, opened_at=breaker.opened_at, succeeded=False, detail="452 full", now=now)
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
    breakers.settle_probe(channel=EMAIL, opened_at=taken.probe_of, succeeded=True, detail="", now=now)

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
        breakers.settle_probe(channel=EMAIL, opened_at=breaker.opened_at, succeeded=False, detail="554", now=now)
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
    breakers.settle_probe(channel=EMAIL, opened_at=breaker.opened_at, succeeded=True, detail="", now=now)
    assert looks_lost(now)


@concurrent
def test_dispatchers_that_look_at_once_issue_one_probe(now: datetime) -> None:
    an_open_breaker(now=now)
    some_due(20, a_broadcast(), now)

    assert sorted(at_once(*[lambda: issue(now) for _ in range(4)])) == [0, 0, 0, 1]
    assert [len(ticket.deliveries) for ticket in issued_tickets()] == [1]
