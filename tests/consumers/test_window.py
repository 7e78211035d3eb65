from types import SimpleNamespace

import pytest

from consumers import window
from consumers.window import GRACE_SECONDS, Flight, Window
from notifier.delivery.claims import Message
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Channel

#: How long a send may take, and from when on it counts as one that hangs.
LONGEST = 10.0
HANGS = LONGEST + GRACE_SECONDS
STARTS_UNTIL = 60.0


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    watch = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(window, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    return watch


def a_window(number: int) -> Window:
    messages = [
        Message(
            f"7.{each}",
            "ann@example.com",
            "Homes",
            "Hello",
            delivery_id=each,
            broadcast_id=7,
            channel=Channel.EMAIL,
            attempts=0,
        )
        for each in range(number)
    ]
    return Window(messages, starts_until=STARTS_UNTIL, longest_send_seconds=LONGEST)


def take(found: Window) -> Flight:
    flight = found.take()
    assert flight
    return flight


def looks(found: Window, watch: SimpleNamespace, seconds: float) -> list[Flight]:
    """Look at it each second for so long; returns what was written off."""
    written_off = []
    for _ in range(int(seconds)):
        watch.seconds += 1
        written_off += found.write_off()
    return written_off


def verdicts(found: Window) -> list[tuple[Verdict, str]]:
    return [(outcome.verdict, outcome.detail) for outcome in found.outcomes]


# --- What hangs -------------------------------------------------------------------------------------------------------
def test_a_send_that_hangs_is_written_off_once_it_took_longer_than_it_may(watch: SimpleNamespace) -> None:
    found = a_window(1)
    flight = take(found)

    assert looks(found, watch, HANGS) == []
    assert looks(found, watch, 1) == [flight]


def test_an_answer_that_came_while_the_process_stood_still_counts(watch: SimpleNamespace) -> None:
    """A suspended machine, a SIGSTOP: its thread reads the answer a moment after we look."""
    found = a_window(1)
    flight = take(found)
    looks(found, watch, 2)

    watch.seconds += 400
    assert found.write_off() == []
    found.end(flight, Outcome(flight.message, Verdict.SENT))

    assert verdicts(found) == [(Verdict.SENT, "")]


def test_what_still_hangs_a_second_after_the_process_stood_still_is_written_off(watch: SimpleNamespace) -> None:
    found = a_window(1)
    flight = take(found)

    watch.seconds += 400
    assert found.write_off() == []

    assert looks(found, watch, 1) == [flight]


def test_what_hangs_is_written_off_although_each_look_comes_late(watch: SimpleNamespace) -> None:
    """The caller's sign of life waits for a database that is away."""
    found = a_window(1)
    flight = take(found)
    written_off = []

    for _ in range(4):
        watch.seconds += HANGS
        written_off += found.write_off()

    assert written_off == [flight]


# --- What nobody took -------------------------------------------------------------------------------------------------
def test_a_slow_send_after_which_no_time_is_left_is_no_outage(watch: SimpleNamespace) -> None:
    found = a_window(3)
    looks(found, watch, STARTS_UNTIL - 1)
    flight = take(found)

    looks(found, watch, LONGEST)
    found.end(flight, Outcome(flight.message, Verdict.SENT))
    looks(found, watch, 1)

    assert (found.take(), found.down) == (None, "")
    assert verdicts(found) == [(Verdict.SENT, "")] + [(Verdict.RELEASED, "")] * 2


def test_what_waits_for_connections_that_never_get_ready_is_released_as_an_outage(watch: SimpleNamespace) -> None:
    found = a_window(2)

    looks(found, watch, STARTS_UNTIL + GRACE_SECONDS + 1)

    assert "no connection" in found.down
    assert verdicts(found) == [(Verdict.RELEASED, found.down)] * 2


# --- What is put back -------------------------------------------------------------------------------------------------
def test_what_is_put_back_waits_for_a_connection_that_works(watch: SimpleNamespace) -> None:
    found = a_window(2)
    flight = take(found)

    found.put_back(flight, refusal="421 too many")

    assert (found.outcomes, take(found).message) == ([], flight.message)


def test_what_is_put_back_after_the_others_gave_up_is_released_at_once(watch: SimpleNamespace) -> None:
    found = a_window(2)
    flight = take(found)
    found.give_up("no route to host")

    found.put_back(flight, refusal="connection reset")

    assert verdicts(found) == [(Verdict.RELEASED, "no route to host")] * 2
    assert found.done.is_set()
