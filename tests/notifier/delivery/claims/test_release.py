"""Claims that are undone or given back."""

import uuid
from datetime import datetime, timedelta

import pytest

from notifier.delivery import claims
from notifier.models import Delivery
from tests.notifier.delivery.calls import claim, columns, fresh
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
SECOND = timedelta(seconds=1)


def test_a_claim_whose_commit_was_in_doubt_is_undone_by_its_token(now: datetime) -> None:
    broadcast = a_broadcast()
    ours, theirs = a_delivery(broadcast=broadcast), a_delivery(broadcast=broadcast)
    taken, other = claim(ours, now=now), claim(theirs, now=now)

    undone = claims.release_claim(token=taken.token, delivery_ids=[ours.pk, theirs.pk], due_at=now + SECOND)

    assert undone == 1
    assert (fresh(ours).state, fresh(ours).due_at, fresh(ours).attempts) == (State.PENDING, now + SECOND, 0)
    assert (fresh(theirs).state, fresh(theirs).lease_token) == (State.SENDING, other.token)


def test_a_claim_that_was_never_made_needs_no_undoing(now: datetime) -> None:
    row = a_delivery()
    before = columns(row)

    assert claims.release_claim(token=uuid.uuid4(), delivery_ids=[row.pk], due_at=now) == 0
    assert columns(row) == before


def test_what_a_consumer_gives_back_is_due_when_it_says(now: datetime) -> None:
    broadcast = a_broadcast()
    waiting, sending = a_delivery(broadcast=broadcast), a_delivery(broadcast=broadcast)
    claim(sending, now=now)

    given = claims.release(delivery_ids=[waiting.pk, sending.pk], due_at=now + SECOND)

    assert given == 1
    assert (fresh(waiting).state, fresh(waiting).due_at) == (State.PENDING, now + SECOND)
    assert fresh(waiting).lease_token is not None
    assert fresh(sending).state == State.SENDING


def test_what_was_given_back_once_is_not_hurried_by_a_repeated_ticket(now: datetime) -> None:
    row = a_delivery()
    claims.release(delivery_ids=[row.pk], due_at=now + timedelta(minutes=5))

    assert claims.release(delivery_ids=[row.pk], due_at=now) == 0
    assert fresh(row).due_at == now + timedelta(minutes=5)
