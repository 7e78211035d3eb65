"""The judge on trial: a flawless broadcast is changed in one point, and each change must be noticed."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults import judge
from tests.faults.arena import Arena, Size
from tests.faults.judge import Accepted, Expectation
from tests.faults.servers import Engine, Servers
from tests.servers.stack import Stack


@dataclass
class Evidence:
    """What the judge is given: the books, the providers' logs, and who consented."""

    stack: Stack
    taken: list[Accepted]
    expectation: Expectation

    def complaints(self) -> list[str]:
        return judge.judge(self.stack, self.taken, [self.expectation]).complaints


@pytest.fixture(scope="module")
def flawless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    with Servers() as servers:
        arena = Arena(
            servers=servers,
            engine=Engine.EMBEDDED,
            folder=tmp_path_factory.mktemp("judge"),
            seed="1",
            size=Size(clients=40, faults=0),
        )
        with arena:
            arena.start()
            broadcast = arena.press()
            arena.wait_for_end()
            arena.stop_in_order()
            assert arena.complaints == []
            arena.stack.query("PRAGMA wal_checkpoint(TRUNCATE)")
            expectation = judge.expect(arena.stack, notification=arena.notification, broadcast=broadcast)
            yield Evidence(arena.stack, judge.accepted(arena.smtp, arena.sms), expectation)


@pytest.fixture
def evidence(flawless: Evidence, tmp_path: Path) -> Evidence:
    """A copy that a test may change."""
    copy = tmp_path / "copy.sqlite3"
    shutil.copyfile(flawless.stack.database_url.removeprefix("sqlite:///"), copy)
    return replace(flawless, stack=Stack(folder=tmp_path, database_url=f"sqlite:///{copy}"), taken=list(flawless.taken))


def test_nothing_is_wrong_with_a_flawless_broadcast(evidence: Evidence) -> None:
    assert len(evidence.taken) > 20
    assert evidence.complaints() == []


_ONE = "(SELECT MIN(id) FROM notifier_delivery WHERE state = 'SENT')"
_SET = "UPDATE notifier_delivery SET"
BOOKS = {
    "consented and has no row": f"DELETE FROM notifier_delivery WHERE id = {_ONE}",
    "has a row and did not consent": f"{_SET} client_id = 9999 WHERE id = {_ONE}",
    "has not ended: delivery": f"{_SET} state = 'SENDING' WHERE id = {_ONE}",
    "was not sent and says no reason": f"{_SET} state = 'UNKNOWN' WHERE id = {_ONE}",
    "neither SENT nor UNKNOWN says so": f"{_SET} state = 'FAILED', detail = '?' WHERE id = {_ONE}",
    "shows other numbers than its rows": f"{_SET} state = 'FAILED' WHERE id = {_ONE}",
    "says its audience is": "UPDATE notifier_broadcast SET audience = audience + 1",
    "broadcast 1 has not ended": "UPDATE notifier_broadcast SET finished_at = NULL",
    "sent to another address": f"{_SET} address = 'x@example.com' WHERE id = {_ONE}",
    "sent and has no row": f"DELETE FROM notifier_delivery WHERE id = {_ONE}",
}


@pytest.mark.parametrize("complaint", BOOKS)
def test_books_that_lie_are_noticed(evidence: Evidence, complaint: str) -> None:
    evidence.stack.query(BOOKS[complaint])

    assert any(complaint in told for told in evidence.complaints())


LOGS: dict[str, Callable[[list[Accepted]], list[Accepted]]] = {
    "sent twice": lambda taken: [*taken, taken[0]],
    "no provider took it": lambda taken: taken[1:],
    "for a broadcast that nobody pressed": lambda taken: [*taken, replace(taken[0], broadcast=99)],
}


@pytest.mark.parametrize("complaint", LOGS)
def test_messages_too_many_and_too_few_are_noticed(evidence: Evidence, complaint: str) -> None:
    evidence.taken = LOGS[complaint](evidence.taken)

    assert any(complaint in told for told in evidence.complaints())


def test_what_staff_sent_again_may_arrive_twice(evidence: Evidence) -> None:
    twice = evidence.taken[0]
    evidence.taken.append(twice)
    evidence.stack.query(
        "INSERT INTO notifier_resolution (id, action, at, why, number) VALUES (1, 'SENT_AGAIN', '2026-01-01', 'x', 1)"
    )
    evidence.stack.query(
        "INSERT INTO notifier_resolveddelivery (resolution_id, delivery_id, state_before, detail_before) "
        "VALUES (1, %s, 'UNKNOWN', 'x')",
        twice.delivery,
    )

    assert evidence.complaints() == []
