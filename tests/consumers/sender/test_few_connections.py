"""A provider that takes few connections."""

import threading
import time
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace

import pytest

from consumers import connection_limit, sender, window
from consumers.backends.base import ChannelDown, Outgoing
from consumers.sender import Sender
from notifier.delivery.settlements import Verdict
from tests.consumers.sender.providers import Crowded, CrowdedBackend, FakeBackend, Provider, send
from tests.support.servers.processes import PATIENCE_SECONDS, wait_until


def slow(message: Outgoing) -> str:
    time.sleep(0.005)
    return ""


def test_what_a_full_provider_refuses_goes_over_the_connections_that_work(hire: Callable[..., Sender]) -> None:
    provider = Crowded(3, slow)
    crew = hire(provider, threads=10)

    outcomes = [outcome for _ in range(5) for outcome in send(crew, 30)]

    assert [o.verdict for o in outcomes] == [Verdict.SENT] * 150
    assert (provider.peak, len(provider.sent)) == (3, 150)
    assert 1 <= provider.refused <= 7, "each refused thread ends, and none is started anew at once"
    assert (
        crew.words == "Sending over 3 connections at once instead of 10: 421 4.7.0 Too many concurrent SMTP connections"
    )


def test_windows_fit_the_connections_so_that_none_waits_for_the_last_of_it(hire: Callable[..., Sender]) -> None:
    crew = hire(Crowded(3, slow), threads=10)
    assert crew.window_size(10) == 10

    send(crew, 30)

    assert [crew.window_size(most) for most in (10, 9, 4, 2, 1)] == [9, 9, 3, 2, 1]


def test_a_message_refused_in_flight_is_left_to_another_connection(hire: Callable[..., Sender]) -> None:
    """As Exchange Online does it: the connection is taken, and refused at the message."""
    both, number = threading.Barrier(2), count(1)

    def act(message: Outgoing) -> str:
        turn = next(number)
        if turn in (2, 3):
            both.wait(PATIENCE_SECONDS)
        if turn == 3:
            raise ChannelDown("432 4.3.2 Concurrent connections limit exceeded")
        return ""

    provider = Crowded(10, act)
    crew = hire(provider, threads=2)
    send(crew, 1)

    outcomes = send(crew, 4)

    assert [o.verdict for o in outcomes] == [Verdict.SENT] * 4
    assert "instead of 2: 432 4.3.2" in crew.words


def test_a_provider_that_takes_none_is_down_and_has_told_nothing_of_a_limit(hire: Callable[..., Sender]) -> None:
    provider = Crowded(3, slow)
    crew = hire(provider, threads=5)
    provider.most = 0

    assert {o.verdict for o in send(crew, 10)} == {Verdict.RELEASED}
    assert (provider.refused, crew.words) == (1, ""), "one thread tries first: an account may be locked by too many"

    provider.most = 5
    assert {o.verdict for o in send(crew, 10)} == {Verdict.SENT}


def test_a_provider_that_goes_away_meanwhile_is_down_once_no_connection_works(hire: Callable[..., Sender]) -> None:
    away = threading.Event()

    def act(message: Outgoing) -> str:
        time.sleep(0.005)
        if away.is_set():
            raise ChannelDown("connection reset")
        return ""

    crew = hire(Crowded(10, act), threads=3)
    send(crew, 30)
    away.set()

    outcomes = send(crew, 9)

    assert {(o.verdict, o.detail) for o in outcomes} == {(Verdict.RELEASED, "connection reset")}
    assert crew.words == ""


def test_for_a_window_that_was_given_up_no_connection_is_opened(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections fail at once. Between the look at the others and putting the message back, those give up."""
    both, away = threading.Barrier(2), threading.Event()

    def act(message: Outgoing) -> str:
        both.wait(PATIENCE_SECONDS)
        if away.is_set():
            raise ChannelDown("connection reset")
        return ""

    opened: list[FakeBackend] = []

    # Of its own: Python remembers of a class that it can be opened, for the tests after this one too.
    class Opened(FakeBackend):
        def open(self) -> None:
            if away.is_set():
                opened.append(self)

    provider = Provider(act, backend=Opened)
    crew = hire(provider, threads=2)
    send(crew, 2)
    put_back = window.Window.put_back

    def put_back_late(self: window.Window, flight: window.Flight, *, refusal: str) -> None:
        wait_until(lambda: self.down)
        put_back(self, flight, refusal=refusal)

    monkeypatch.setattr(window.Window, "put_back", put_back_late)
    away.set()

    outcomes = send(crew, 2)
    crew.close()

    assert [(o.verdict, o.detail) for o in outcomes] == [(Verdict.RELEASED, "connection reset")] * 2
    assert len(opened) == 2, "one for each connection, before it failed"


def test_the_limit_is_tried_upwards_again_and_faster_while_that_works(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(connection_limit, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    provider = Crowded(2, slow)
    crew = hire(provider, threads=10)
    send(crew, 30)
    refused = provider.refused

    watch.seconds += connection_limit.RAISE_SECONDS
    send(crew, 30)
    assert (crew.window_size(10), provider.refused) == (10, refused + 1), "still two, at the cost of one refusal"
    provider.most = 10
    for _ in range(4):
        watch.seconds += connection_limit.RAISE_SECONDS
        send(crew, 60)

    assert (crew.words, provider.refused) == ("", refused + 1)


def test_a_connection_with_nothing_to_do_is_closed_for_others_to_use(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "IDLE_SECONDS", 0.05)
    provider = Crowded(3, slow)
    crew = hire(provider, threads=3)
    send(crew, 30)

    wait_until(lambda: not provider.open, what="the idle connections to close")

    assert [o.verdict for o in send(crew, 30)] == [Verdict.SENT] * 30


class SilentBackend(CrowdedBackend):
    """Waits without a word while the provider is full, and gives up in the end."""

    def open(self) -> None:
        ends_at = time.monotonic() + 0.5
        while True:
            try:
                return super().open()
            except ChannelDown:
                if time.monotonic() > ends_at:
                    raise
            time.sleep(0.01)


class Silent(Crowded):
    def __call__(self) -> SilentBackend:
        self.backends.append(backend := SilentBackend(self))
        return backend


def test_the_limit_of_a_provider_that_lets_the_others_wait_is_found_as_well(hire: Callable[..., Sender]) -> None:
    provider = Silent(3, slow)
    crew = hire(provider, threads=10)
    verdicts: set[Verdict] = set()

    def is_found() -> bool:
        verdicts.update(outcome.verdict for outcome in send(crew, 30))
        return crew.words.startswith("Sending over 3 connections at once instead of 10")

    wait_until(is_found, what="the limit", deadline=60.0)

    assert verdicts == {Verdict.SENT}
    assert (crew.window_size(10), provider.refused > 0) == (9, True)
