import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from types import SimpleNamespace

import pytest

from consumers import connection_limit, sender, window
from consumers.backends.base import (
    ChannelDown,
    NoMessage,
    OutcomeUnknown,
    Outgoing,
    PermanentFailure,
    RecipientRefused,
    SendBackend,
    TemporaryFailure,
)
from consumers.sender import Sender
from notifier.consent.suppressions import Evidence, Source
from notifier.delivery.claims import Message
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Channel
from tests.support.servers.processes import PATIENCE_SECONDS, wait_until


class FakeBackend:
    """Does with each message what the test says, and notes what it was given and that it was closed."""

    longest_send_seconds = 7.0

    def __init__(self, act: Callable[[Outgoing], str]) -> None:
        self.act = act
        self.sent: list[Outgoing] = []
        self.threads: set[threading.Thread] = set()
        self.closed = 0

    def send(self, message: Outgoing) -> str:
        self.sent.append(message)
        self.threads.add(threading.current_thread())
        return self.act(message)

    def close(self) -> None:
        self.closed += 1


class Provider:
    """Makes a backend for each thread and keeps them."""

    def __init__(self, act: Callable[[Outgoing], str] = lambda message: "") -> None:
        self.act = act
        self.backends: list[FakeBackend] = []

    def __call__(self) -> SendBackend:
        self.backends.append(FakeBackend(self.act))
        return self.backends[-1]

    @property
    def sent(self) -> list[str]:
        return [message.reference for backend in self.backends for message in backend.sent]


@pytest.fixture
def hire() -> Iterator[Callable[..., Sender]]:
    senders: list[Sender] = []

    def hire(provider: Callable[[], SendBackend], threads: int = 4) -> Sender:
        senders.append(Sender(get_backend=provider, threads=threads))
        return senders[-1]

    yield hire
    for each in senders:
        each.close()


def messages(number: int) -> list[Message]:
    return [
        Message(
            reference=f"7.{delivery}",
            delivery_id=delivery,
            broadcast_id=7,
            channel=Channel.EMAIL,
            address=f"client{delivery}@example.com",
            subject="Three new homes",
            body="Hello",
            attempts=0,
            html="<p>Hello</p>",
            link_token=f"token{delivery}",
            list_id="listings",
        )
        for delivery in range(1, number + 1)
    ]


def send(
    crew: Sender, number: int, *, seconds: float = PATIENCE_SECONDS, waiting: Callable[[], None] = lambda: None
) -> list[Outcome]:
    outcomes = crew.send(messages(number), starts_until=time.monotonic() + seconds, waiting=waiting)
    return sorted(outcomes, key=lambda outcome: outcome.message.delivery_id)


def test_a_window_is_sent_each_message_once(hire: Callable[..., Sender]) -> None:
    provider = Provider(lambda message: f"id of {message.reference}")

    outcomes = send(hire(provider), 10)

    assert [o.verdict for o in outcomes] == [Verdict.SENT] * 10
    assert [o.provider_id for o in outcomes] == [f"id of 7.{number}" for number in range(1, 11)]
    assert sorted(provider.sent) == sorted(f"7.{number}" for number in range(1, 11))


def test_the_backend_gets_the_message_as_it_was_claimed(hire: Callable[..., Sender]) -> None:
    provider = Provider()

    send(hire(provider, threads=1), 1)

    assert [message for backend in provider.backends for message in backend.sent] == messages(1)


def test_as_many_messages_are_under_way_at_once_as_there_are_threads(hire: Callable[..., Sender]) -> None:
    everyone = threading.Barrier(8)

    def act(message: Outgoing) -> str:
        everyone.wait(PATIENCE_SECONDS)
        return ""

    outcomes = send(hire(Provider(act), threads=8), 16)

    assert [o.verdict for o in outcomes] == [Verdict.SENT] * 16


def test_never_are_more_messages_under_way_than_there_are_threads(hire: Callable[..., Sender]) -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def act(message: Outgoing) -> str:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.005)
        with lock:
            under_way -= 1
        return ""

    send(hire(Provider(act), threads=3), 20)

    assert most <= 3


def test_each_thread_keeps_its_backend_from_window_to_window(hire: Callable[..., Sender]) -> None:
    everyone = threading.Barrier(2)

    def act(message: Outgoing) -> str:
        everyone.wait(PATIENCE_SECONDS)
        return ""

    provider = Provider(act)
    crew = hire(provider, threads=2)

    for _ in range(5):
        send(crew, 2)

    used = [backend for backend in provider.backends if backend.sent]
    assert [len(backend.threads) for backend in used] == [1, 1]
    assert sorted(len(backend.sent) for backend in used) == [5, 5]


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (TemporaryFailure("450 later"), Verdict.TEMPORARY),
        (PermanentFailure("550 nobody"), Verdict.PERMANENT),
        (OutcomeUnknown("the answer was lost"), Verdict.UNKNOWN),
        (ChannelDown("refused"), Verdict.RELEASED),
        (RecipientRefused("400: opted out"), Verdict.REFUSED),
        (NoMessage("no mail can be made of it"), Verdict.PERMANENT),
    ],
)
def test_a_failure_ends_as_its_verdict_with_its_reason(
    hire: Callable[..., Sender], failure: Exception, verdict: Verdict
) -> None:
    def act(message: Outgoing) -> str:
        raise failure

    (outcome,) = send(hire(Provider(act)), 1)

    assert (outcome.verdict, outcome.detail, outcome.wait) == (verdict, str(failure), None)


def gone() -> PermanentFailure:
    failure = PermanentFailure("550 5.1.1 nobody")
    failure.suppress = Evidence(Source.BOUNCE, "550 5.1.1 nobody")
    return failure


@pytest.mark.parametrize(
    ("failure", "word"),
    [
        (RecipientRefused("400: opted out"), Evidence(Source.CLIENT, "400: opted out")),
        (gone(), Evidence(Source.BOUNCE, "550 5.1.1 nobody")),
        (PermanentFailure("554 refused"), None),
    ],
)
def test_what_suppresses_an_address_is_carried_along(
    hire: Callable[..., Sender], failure: Exception, word: Evidence | None
) -> None:
    def act(message: Outgoing) -> str:
        raise failure

    (outcome,) = send(hire(Provider(act)), 1)

    assert outcome.suppress == word


def test_the_wait_that_a_provider_named_is_kept(hire: Callable[..., Sender]) -> None:
    def act(message: Outgoing) -> str:
        raise TemporaryFailure("429", wait=timedelta(seconds=17))

    (outcome,) = send(hire(Provider(act)), 1)

    assert outcome.wait == timedelta(seconds=17)


def test_once_the_channel_is_down_nothing_more_is_started(hire: Callable[..., Sender]) -> None:
    number = count(1)

    def act(message: Outgoing) -> str:
        if next(number) == 3:
            raise ChannelDown("connection refused")
        return ""

    provider = Provider(act)

    outcomes = send(hire(provider, threads=1), 10)

    assert [o.verdict for o in outcomes] == [Verdict.SENT] * 2 + [Verdict.RELEASED] * 8
    assert {o.detail for o in outcomes[2:]} == {"connection refused"}
    assert len(provider.sent) == 3


def test_the_channel_counts_as_down_even_if_the_backend_does_not_say_why(hire: Callable[..., Sender]) -> None:
    def act(message: Outgoing) -> str:
        raise ChannelDown

    provider = Provider(act)

    outcomes = send(hire(provider, threads=1), 3)

    assert [o.verdict for o in outcomes] == [Verdict.RELEASED] * 3
    assert all(o.detail for o in outcomes)
    assert len(provider.sent) == 1


def test_a_channel_that_was_down_is_tried_again_with_the_next_window(hire: Callable[..., Sender]) -> None:
    number = count(1)

    def act(message: Outgoing) -> str:
        if next(number) == 1:
            raise ChannelDown("connection refused")
        return ""

    crew = hire(Provider(act), threads=1)
    send(crew, 2)

    assert [o.verdict for o in send(crew, 2)] == [Verdict.SENT] * 2


def test_nothing_is_started_once_too_little_of_the_lease_is_left(hire: Callable[..., Sender]) -> None:
    provider = Provider()

    outcomes = send(hire(provider), 5, seconds=-1)

    assert [(o.verdict, o.detail) for o in outcomes] == [(Verdict.RELEASED, "")] * 5
    assert provider.sent == []


def test_what_was_started_in_time_ends_and_the_rest_is_released(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(window, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    both = threading.Barrier(2, action=lambda: setattr(watch, "seconds", 2.0))

    def act(message: Outgoing) -> str:
        both.wait(PATIENCE_SECONDS)
        return ""

    outcomes = hire(Provider(act), threads=2).send(messages(6), starts_until=1.0, waiting=lambda: None)

    verdicts = sorted(o.verdict.value for o in outcomes)
    assert verdicts == ["RELEASED"] * 4 + ["SENT"] * 2


def test_a_backend_that_fails_unexpectedly_leaves_the_outcome_unknown_and_the_crew_at_work(
    hire: Callable[..., Sender], caplog: pytest.LogCaptureFixture
) -> None:
    def act(message: Outgoing) -> str:
        if message.reference == "7.2":
            raise ZeroDivisionError(f"for {message.address}")
        return ""

    crew = hire(Provider(act), threads=1)

    outcomes = send(crew, 3)

    assert [o.verdict for o in outcomes] == [Verdict.SENT, Verdict.UNKNOWN, Verdict.SENT]
    assert "ZeroDivisionError" in outcomes[1].detail
    assert "@" not in outcomes[1].detail
    assert "delivery 2 " in caplog.text
    assert [o.verdict for o in send(crew, 1)] == [Verdict.SENT]


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_a_backend_raises_its_window_ends(hire: Callable[..., Sender], error: BaseException) -> None:
    def act(message: Outgoing) -> str:
        if message.reference == "7.1":
            raise error
        return ""

    crew = hire(Provider(act), threads=1)

    assert [o.verdict for o in send(crew, 2)] == [Verdict.UNKNOWN, Verdict.SENT]


def test_a_sign_of_life_that_fails_loses_no_result(
    hire: Callable[..., Sender], caplog: pytest.LogCaptureFixture
) -> None:
    def waiting() -> None:
        raise ZeroDivisionError

    outcomes = send(hire(Provider()), 3, waiting=waiting)

    assert [o.verdict for o in outcomes] == [Verdict.SENT] * 3
    assert "sign of life" in caplog.text


@pytest.mark.parametrize("allowed", [0, 1])
def test_with_fewer_threads_than_wanted_it_sends_with_those_there_are(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    start, number = threading.Thread.start, count(1)

    def start_some(thread: threading.Thread) -> None:
        if next(number) > allowed:
            raise RuntimeError("can't start new thread")
        start(thread)

    provider = Provider()
    crew = hire(provider)
    monkeypatch.setattr(threading.Thread, "start", start_some)

    outcomes = send(crew, 3)

    assert [o.verdict for o in outcomes] == [Verdict.SENT if allowed else Verdict.RELEASED] * 3
    assert all(o.detail for o in outcomes if o.verdict is Verdict.RELEASED)
    assert len(provider.sent) == 3 * allowed


def test_what_could_not_be_made_is_given_to_no_backend(hire: Callable[..., Sender]) -> None:
    provider = Provider()
    flawed = replace(messages(1)[0], flaw="no message can be made for this client: KeyError")

    (outcome,) = hire(provider).send([flawed], starts_until=time.monotonic() + 60, waiting=lambda: None)

    assert (outcome.verdict, outcome.detail, outcome.was_given) == (Verdict.PERMANENT, flawed.flaw, False)
    assert provider.sent == []


def test_a_thread_that_can_make_no_backend_finds_the_channel_down_and_tries_again(
    hire: Callable[..., Sender],
) -> None:
    provider, number = Provider(), count(1)

    def get_backend() -> SendBackend:
        if next(number) == 2:  # the first is thrown away
            raise OSError("too many open files")
        return provider()

    crew = hire(get_backend, threads=1)

    assert [(o.verdict, bool(o.detail)) for o in send(crew, 2)] == [(Verdict.RELEASED, True)] * 2
    assert [o.verdict for o in send(crew, 2)] == [Verdict.SENT] * 2


# --- A provider that takes few connections ----------------------------------------------------------------------------
class Crowded(Provider):
    """Takes so many connections at once, and refuses the others when they open."""

    def __init__(self, most: int, act: Callable[[Outgoing], str] = lambda message: "") -> None:
        super().__init__(act)
        self.most = most
        self.open: set[object] = set()
        self.refused = self.peak = 0
        self.lock = threading.Lock()

    def __call__(self) -> SendBackend:
        backend = CrowdedBackend(self)
        self.backends.append(backend)
        return backend


class CrowdedBackend(FakeBackend):
    def __init__(self, provider: Crowded) -> None:
        super().__init__(provider.act)
        self.provider = provider

    def open(self) -> None:
        with self.provider.lock:
            if self not in self.provider.open and len(self.provider.open) >= self.provider.most:
                self.provider.refused += 1
                raise ChannelDown("421 4.7.0 Too many concurrent SMTP connections")
            self.provider.open.add(self)
            self.provider.peak = max(self.provider.peak, len(self.provider.open))

    def send(self, message: Outgoing) -> str:
        self.open()
        return super().send(message)

    def close(self) -> None:
        with self.provider.lock:
            self.provider.open.discard(self)
        super().close()


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
        crew.words == "Sends over 3 connections at once instead of 10: 421 4.7.0 Too many concurrent SMTP connections"
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

    provider = Provider(act)
    crew = hire(provider, threads=2)
    send(crew, 2)
    put_back = window.Window.put_back
    opened: list[FakeBackend] = []

    def put_back_late(self: window.Window, flight: window.Flight, *, refusal: str) -> None:
        wait_until(lambda: self.down)
        put_back(self, flight, refusal=refusal)

    monkeypatch.setattr(window.Window, "put_back", put_back_late)
    monkeypatch.setattr(FakeBackend, "open", lambda self: opened.append(self), raising=False)
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


# --- A backend that hangs ---------------------------------------------------------------------------------------------
@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A send may take no time at all; whoever hangs waits for the event."""
    over = threading.Event()
    monkeypatch.setattr(FakeBackend, "longest_send_seconds", 0.1)
    monkeypatch.setattr(window, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(sender, "WAITING_SECONDS", 0.05)
    yield over
    over.set()


def test_a_send_that_hangs_ends_as_unknown_and_others_take_its_place(
    hire: Callable[..., Sender], hasty: threading.Event
) -> None:
    def act(message: Outgoing) -> str:
        if message.reference == "7.2":
            hasty.wait()
        return ""

    provider = Provider(act)
    crew = hire(provider, threads=1)

    outcomes = send(crew, 4)

    assert [o.verdict for o in outcomes] == [Verdict.SENT, Verdict.UNKNOWN, Verdict.SENT, Verdict.SENT]
    assert "did not answer" in outcomes[1].detail
    assert [o.verdict for o in send(crew, 2)] == [Verdict.SENT, Verdict.UNKNOWN]


def test_what_a_hanging_send_says_at_last_is_not_recorded_twice(
    hire: Callable[..., Sender], hasty: threading.Event
) -> None:
    def act(message: Outgoing) -> str:
        hasty.wait()
        raise ChannelDown("too late")

    crew = hire(Provider(act), threads=2)

    outcomes = send(crew, 2)
    hasty.set()
    hanging = [thread for thread in threading.enumerate() if thread.name.startswith("sender ")]
    for thread in hanging[:2]:
        thread.join(PATIENCE_SECONDS)

    assert [o.verdict for o in outcomes] == [Verdict.UNKNOWN] * 2
    assert len(outcomes) == 2


def test_a_connection_that_hangs_while_it_opens_leaves_nothing_unknown(
    hire: Callable[..., Sender], hasty: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Crowded(3)
    crew = hire(provider, threads=2)
    monkeypatch.setattr(CrowdedBackend, "open", lambda self: hasty.wait())

    outcomes = send(crew, 3, seconds=0.2)

    assert [o.verdict for o in outcomes] == [Verdict.RELEASED] * 3
    assert all(o.detail for o in outcomes)
    monkeypatch.setattr(CrowdedBackend, "open", lambda self: None)
    assert [o.verdict for o in send(crew, 3)] == [Verdict.SENT] * 3


def test_settings_that_can_not_work_are_told_before_anything_is_sent() -> None:
    def get_backend() -> SendBackend:
        raise ValueError("no such provider")

    with pytest.raises(ValueError, match="no such provider"):
        Sender(get_backend=get_backend, threads=1)


def test_the_longest_send_is_the_backends(hire: Callable[..., Sender]) -> None:
    assert hire(Provider()).longest_send_seconds == 7.0


def test_the_caller_may_say_that_it_lives_while_sends_are_slow(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "WAITING_SECONDS", 0.01)
    beats, enough = count(1), threading.Event()

    def waiting() -> None:
        if next(beats) == 5:
            enough.set()

    outcomes = send(hire(Provider(lambda message: str(enough.wait(PATIENCE_SECONDS)))), 1, waiting=waiting)

    assert outcomes[0].provider_id == "True"


def test_an_empty_window_is_done_at_once(hire: Callable[..., Sender]) -> None:
    assert send(hire(Provider()), 0) == []


def test_closing_closes_the_backend_of_each_thread(hire: Callable[..., Sender]) -> None:
    everyone = threading.Barrier(3)

    def act(message: Outgoing) -> str:
        everyone.wait(PATIENCE_SECONDS)
        return ""

    provider = Provider(act)
    crew = hire(provider, threads=3)
    send(crew, 3)

    crew.close()

    used = [backend for backend in provider.backends if backend.sent]
    assert [backend.closed for backend in used] == [1, 1, 1]
    assert not any(thread.is_alive() for backend in used for thread in backend.threads)


def test_a_connection_that_does_not_close_keeps_no_other_from_closing(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    everyone = threading.Barrier(2)

    def act(message: Outgoing) -> str:
        everyone.wait(PATIENCE_SECONDS)
        return ""

    provider, closed = Provider(act), count()

    def close(self: FakeBackend) -> None:
        if next(closed) == 0:
            raise RuntimeError("no goodbye")

    monkeypatch.setattr(FakeBackend, "close", close)
    crew = hire(provider, threads=2)
    send(crew, 2)

    crew.close()

    assert next(closed) == 2
    assert "did not close" in caplog.text


def test_all_goodbyes_together_take_no_longer_than_one_may(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "CLOSING_SECONDS", 0.2)
    everyone, over = threading.Barrier(20), threading.Event()
    waits: list[float] = []

    def act(message: Outgoing) -> str:
        everyone.wait(PATIENCE_SECONDS)
        return ""

    monkeypatch.setattr(FakeBackend, "close", lambda self: over.wait(PATIENCE_SECONDS))
    crew = hire(Provider(act), threads=20)
    send(crew, 20)

    join = threading.Thread.join

    def noted(thread: threading.Thread, timeout: float | None = None) -> None:
        waits.append(timeout or 0.0)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", noted)
    crew.close()
    over.set()

    # The first has all of the time, and what it took is not there for the next.
    assert len(waits) == 20
    assert max(waits) <= 0.2
    assert waits[1:] == [0.0] * 19
