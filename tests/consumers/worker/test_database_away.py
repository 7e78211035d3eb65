"""The database goes away between two steps."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from notifier.delivery import claims, settlements, sweeps
from notifier.delivery.claims import Claim
from notifier.delivery.settlements import NEVER_SENT
from notifier.models import Delivery
from notifier.runtime import clock
from notifier.transport import database
from tests.consumers.worker.watched import LOST, StopAtFirstWait, a_ticket, failing, rows, sent, states, steps
from tests.support.servers.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


def test_results_are_kept_until_the_database_takes_them(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(3)
    failing(monkeypatch, "settle", LOST, OperationalError("deadlock detected"))

    run(concurrency=3)

    assert (sent(events), states(ids)) == (ids, ["SENT"] * 3)
    assert steps(events)[:3] == ["claim", "settle", "ack"]


def test_results_whose_commit_was_not_answered_are_recorded_all_the_same(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(2)
    failing(monkeypatch, "settle", LOST, afterwards=True)

    run()

    assert (sent(events), states(ids)) == (ids, ["SENT"] * 2)
    assert [row.attempts for row in rows(ids)] == [1, 1]


@pytest.mark.parametrize("committed", [True, False])
def test_of_a_claim_without_an_answer_nothing_is_sent_and_the_rows_wait_again(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    ids = a_ticket(3)
    failing(monkeypatch, "claim", LOST, afterwards=committed)
    stop = StopAtFirstWait()

    run(stop=stop)

    assert (sent(events), states(ids)) == ([], ["PENDING"] * 3)
    assert [row.attempts for row in rows(ids)] == [0] * 3
    assert all(row.due_at and row.due_at <= clock.now() for row in rows(ids))
    assert "ack" not in events
    assert stop.said == [("WAITING", f"The database can’t be used: {LOST}")]


def test_a_claim_without_an_answer_is_undone_for_as_long_as_it_takes(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(2)
    failing(monkeypatch, "claim", LOST, afterwards=True)
    failing(monkeypatch, "release_claim", LOST, LOST)

    run(stop=StopAtFirstWait())

    assert states(ids) == ["PENDING"] * 2


def test_after_a_claim_without_an_answer_the_ticket_comes_again_and_is_sent_once(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "VISIBILITY", timedelta())
    ids = a_ticket(3)
    failing(monkeypatch, "claim", LOST, afterwards=True)

    run()

    assert (sent(events), states(ids)) == (ids, ["SENT"] * 3)


def test_what_others_decided_after_the_lease_is_left_to_them(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = a_ticket(2)
    settle = settlements.settle

    def settle_late(**arguments: Any) -> int:
        Delivery.objects.filter(pk=ids[0]).update(state="CANCELLED", lease_token=None)
        return settle(**arguments)

    monkeypatch.setattr(settlements, "settle", settle_late)

    run()

    assert states(ids) == ["CANCELLED", "SENT"]
    assert "1 results came after their lease" in caplog.text
    assert "ack" in events


def test_a_consumer_held_up_between_claim_and_send_until_its_lease_is_over_sends_nothing(
    run: Callable[..., None], events: list[Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staff read UNKNOWN by then, and may have had it sent again."""
    settings.LEASE_SECONDS = 0.1
    ids = a_ticket(2)
    claim = claims.claim

    def claim_and_stand_still(**arguments: Any) -> Claim:
        claimed = claim(**arguments)
        wait_until(lambda: sweeps.sweep(now=clock.now()), what="the end of the lease")
        return claimed

    monkeypatch.setattr(claims, "claim", claim_and_stand_still)

    run()

    assert sent(events) == []
    assert [(row.state, row.detail, row.due_at) for row in rows(ids)] == [("FAILED", NEVER_SENT, None)] * 2
