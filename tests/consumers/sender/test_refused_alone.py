"""A provider that refuses some messages in words about us, as if it could not be used."""

from collections import Counter
from collections.abc import Callable

import pytest

from consumers.backends.base import Outgoing, PerhapsDown
from consumers.sender import Sender
from consumers.suspects import DIFFERENT_MESSAGES, TIMES_ALONE
from notifier.delivery.settlements import Outcome, Verdict
from tests.consumers.sender.providers import Provider, send

WORDS = "503 5.5.1 bad sequence of commands"


def refuses(*references: str) -> Callable[[Outgoing], str]:
    def act(message: Outgoing) -> str:
        if not references or message.reference in references:
            raise PerhapsDown(WORDS)
        return ""

    return act


def ends(outcomes: list[Outcome]) -> list[tuple[Verdict, str]]:
    return [(outcome.verdict, outcome.detail) for outcome in outcomes]


@pytest.mark.parametrize("threads", [1, 4])
def test_one_that_is_refused_while_others_pass_keeps_no_other_waiting_and_counts_a_try(
    hire: Callable[..., Sender], threads: int
) -> None:
    crew = hire(Provider(refuses("7.3")), threads=threads)

    windows = [send(crew, 9) for _ in range(4)]

    for window in windows:
        assert [o.verdict for o in window if o.message.delivery_id != 3] == [Verdict.SENT] * 8
        assert not [o for o in window if o.verdict is Verdict.RELEASED and o.detail], "the channel is not down"
    found = [window[2] for window in windows]
    # The last of its window may be refused with none behind it, which shows nothing: then it is one try later.
    assert found[0].verdict is Verdict.RELEASED
    assert (found[0].wait is None, found[0].detail) == (False, "")
    assert ends(found[2:]) == [(Verdict.TEMPORARY, WORDS)] * 2
    assert crew.words == "", "and it says nothing about the number of connections"


def test_one_in_ten_that_are_refused_keep_nobody_from_being_sent(hire: Callable[..., Sender]) -> None:
    refused = [f"7.{number}" for number in range(5, 100, 10)]
    crew = hire(Provider(refuses(*refused)), threads=5)

    windows = [send(crew, 100) for _ in range(6)]

    assert [Counter(o.verdict for o in window)[Verdict.SENT] for window in windows] == [90] * 6
    assert Counter(o.verdict for o in windows[-1])[Verdict.TEMPORARY] == 10


def test_where_all_are_refused_the_channel_is_down_and_few_are_tried(hire: Callable[..., Sender]) -> None:
    provider = Provider(refuses())
    crew = hire(provider, threads=1)

    windows = [send(crew, 50) for _ in range(5)]

    for window in windows:
        assert set(ends(window)) == {(Verdict.RELEASED, WORDS)}
    assert len(provider.sent) == 5 * DIFFERENT_MESSAGES
    assert len(set(provider.sent)) == len(provider.sent), "those that were refused before come last"


@pytest.mark.parametrize("threads", [1, 4])
def test_an_outage_that_begins_in_a_window_blames_nobody(hire: Callable[..., Sender], threads: int) -> None:
    given: list[str] = []

    def act(message: Outgoing) -> str:
        given.append(message.reference)
        if len(given) > 20:
            raise PerhapsDown(WORDS)
        return ""

    crew = hire(Provider(act), threads=threads)

    verdicts = {outcome.verdict for _ in range(5) for outcome in send(crew, 30)}

    assert verdicts == {Verdict.SENT, Verdict.RELEASED}
    assert crew.words == ""


def test_one_that_is_alone_in_its_channel_comes_to_an_end(hire: Callable[..., Sender]) -> None:
    crew = hire(Provider(refuses()), threads=2)

    outcomes = [send(crew, 1)[0] for _ in range(2 * TIMES_ALONE)]

    alike = [(Verdict.RELEASED, WORDS)] * (TIMES_ALONE - 1) + [(Verdict.TEMPORARY, WORDS)]
    assert ends(outcomes) == alike * 2


def test_those_at_fault_that_are_left_at_the_end_count_a_try_each_time(hire: Callable[..., Sender]) -> None:
    crew = hire(Provider(refuses("7.1", "7.2", "7.3", "7.4", "7.5")), threads=2)
    for _ in range(4):
        send(crew, 30)

    assert ends(send(crew, 5)) == [(Verdict.TEMPORARY, WORDS)] * 5


def test_one_at_fault_is_not_blamed_for_an_outage(hire: Callable[..., Sender]) -> None:
    provider = Provider(refuses("7.1"))
    crew = hire(provider, threads=1)
    for _ in range(4):
        send(crew, 30)
    for backend in provider.backends:
        backend.act = refuses()

    windows = [send(crew, 30) for _ in range(3)]

    for window in windows:
        assert set(ends(window)) == {(Verdict.RELEASED, WORDS)}
