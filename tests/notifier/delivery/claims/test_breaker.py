"""While a channel's breaker is open: what may be claimed, and what not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from notifier.delivery import claim_sql
from notifier.models import Channel, Delivery, Preference
from notifier.policies import breakers
from tests.notifier.delivery.calls import addressed, claim, columns, fresh
from tests.support.factories import a_broadcast, a_delivery, an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
SECOND = timedelta(seconds=1)


def test_while_the_breaker_is_open_nothing_is_claimed(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast, due_at=now + SECOND) for _ in range(3)]
    before = [columns(row) for row in rows]
    an_open_breaker(now=now)

    taken = claim(*rows, now=now)

    assert (taken.breaker_open, taken.messages, taken.probe_of) == (True, [], None)
    assert [columns(row) for row in rows] == before


def test_an_open_breaker_holds_its_own_channel_only(now: datetime) -> None:
    an_open_breaker(now=now, channel=Channel.SMS)
    row = a_delivery(channel=Channel.EMAIL)

    taken = claim(row, now=now)

    assert (taken.breaker_open, addressed(taken)) == (False, [row.pk])


def test_a_breaker_that_closed_again_holds_nothing(now: datetime) -> None:
    an_open_breaker(now=now, opened_at=None)
    row = a_delivery(due_at=now + SECOND)

    taken = claim(row, now=now)

    assert (taken.breaker_open, addressed(taken)) == (False, [row.pk])


def test_the_probe_of_an_open_breaker_is_claimed_and_nothing_beside_it(now: datetime) -> None:
    breaker = an_open_breaker(now=now, probe_at=now + 30 * SECOND)
    broadcast = a_broadcast()
    other = a_delivery(broadcast=broadcast, due_at=now + 31 * SECOND)
    probe = a_delivery(broadcast=broadcast, due_at=now + 30 * SECOND)

    taken = claim(other, probe, now=now)

    assert (taken.breaker_open, taken.probe_of, addressed(taken)) == (True, breaker.opened_at, [probe.pk])
    assert (fresh(probe).state, fresh(other).state) == (State.SENDING, State.PENDING)


def test_a_probe_that_another_followed_is_none_any_more(now: datetime) -> None:
    an_open_breaker(now=now, probe_at=now + 60 * SECOND)
    overtaken = a_delivery(due_at=now + 30 * SECOND)

    taken = claim(overtaken, now=now)

    assert (taken.breaker_open, taken.messages, taken.probe_of) == (True, [], None)


def test_a_probe_that_comes_twice_is_sent_once(now: datetime) -> None:
    an_open_breaker(now=now, probe_at=now + 30 * SECOND)
    probe = a_delivery(due_at=now + 30 * SECOND)
    claim(probe, now=now)

    again = claim(probe, now=now)

    assert (again.messages, again.probe_of) == ([], None)


def test_a_probe_whose_client_opted_out_is_skipped_and_known_for_a_probe(now: datetime) -> None:
    breaker = an_open_breaker(now=now, probe_at=now + 30 * SECOND)
    probe = a_delivery(due_at=now + 30 * SECOND)
    Preference.objects.filter(client=probe.client).update(email=False)

    taken = claim(probe, now=now)

    assert (taken.breaker_open, taken.messages, taken.probe_of) == (True, [], breaker.opened_at)
    assert fresh(probe).state == State.SKIPPED


def test_a_breaker_that_closes_within_a_claim_holds_that_one_still(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = an_open_breaker(now=now)
    row = a_delivery(due_at=now)
    look = claim_sql.running_content

    def look_and_close(*arguments: Any) -> Any:
        found = look(*arguments)
        assert breaker.opened_at
        breakers.settle_probe(channel=Channel.EMAIL, opened_at=breaker.opened_at, succeeded=True, detail="", now=now)
        return found

    monkeypatch.setattr(claim_sql, "running_content", look_and_close)

    assert (claim(row, now=now).breaker_open, fresh(row).state) == (True, State.PENDING)
