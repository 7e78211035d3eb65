import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from types import SimpleNamespace

import pytest

from consumers import sender, window
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
from notifier.delivery.settlements import Verdict
from tests.consumers.sender.providers import Provider, messages, send
from tests.support.servers.processes import PATIENCE_SECONDS


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
    flawed = replace(messages(1)[0], flaw="no message can be created for this client: KeyError")

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
