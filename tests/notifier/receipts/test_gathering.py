"""Receipts that come at once are written together, and each is answered for itself."""

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from django.db import DataError, OperationalError

from notifier.models import Channel, Receipt
from notifier.receipts import gathering, taking
from notifier.receipts.gathering import Gatherer, NotWritten
from notifier.receipts.taking import Told
from tests.support.servers.processes import wait_until

NOW = datetime(2026, 12, 1, 12)  # noqa: DTZ001  (nothing reads it)


def told(number: int) -> Told:
    return Told(reference=f"7.{number}", channel=Channel.SMS, state=Receipt.State.DELIVERED, at=NOW, provider="twilio")


def at_once(monkeypatch: pytest.MonkeyPatch, take: Any, number: int) -> tuple[list[int], dict[int, Exception]]:
    """The first is held until the others wait; how many were written each time, and what was raised to whom."""
    goes_on = threading.Event()
    sizes: list[int] = []
    raised: dict[int, Exception] = {}

    def held(receipts: Sequence[Told], *, now: datetime) -> int:
        sizes.append(len(receipts))
        if len(sizes) == 1:
            goes_on.wait(30)
        return int(take(receipts) or 0)

    def one(number: int) -> None:
        try:
            gatherer.take(told(number), now=NOW)
        except Exception as error:  # noqa: BLE001
            raised[number] = error

    monkeypatch.setattr(taking, "take", held)
    gatherer = Gatherer()
    threads = [threading.Thread(target=one, args=(each,)) for each in range(1, number + 1)]
    threads[0].start()
    wait_until(lambda: sizes, what="the first")
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(gatherer._waiting) == number - 1, what="the others")
    goes_on.set()
    for thread in threads:
        thread.join()
    return sizes, raised


def test_those_who_come_while_one_is_written_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, raised = at_once(monkeypatch, lambda receipts: 0, 6)

    assert (sizes, raised) == ([1, 5], {})


def test_one_that_can_not_be_written_is_not_the_others_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(receipts: Sequence[Told]) -> None:
        if any(one.reference == "7.3" for one in receipts):
            raise DataError("no such thing")

    sizes, raised = at_once(monkeypatch, take, 4)

    assert sizes == [1, 3, 1, 1, 1]
    assert [type(raised[3]), *raised] == [DataError, 3]


def test_while_the_database_is_away_nobody_tries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(receipts: Sequence[Told]) -> None:
        if len(receipts) > 1:
            raise OperationalError("the connection is closed")

    sizes, raised = at_once(monkeypatch, take, 4)

    assert sizes == [1, 3]
    assert sorted(raised) == [2, 3, 4]


def test_whoever_is_ended_while_writing_for_others_has_not_written_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(receipts: Sequence[Told], *, now: datetime) -> int:
        raise SystemExit

    monkeypatch.setattr(taking, "take", ends)
    batch = [gathering._Waiting(told(1)), gathering._Waiting(told(2))]

    with pytest.raises(SystemExit):
        gathering._write(batch, NOW)

    assert [(one.is_done, type(one.error)) for one in batch] == [(True, NotWritten)] * 2
