import pytest

from notifier.runtime.backoff import Backoff


def test_the_wait_doubles_up_to_the_longest() -> None:
    backoff = Backoff(first_seconds=1, longest_seconds=10)

    waits = [backoff.next_seconds() for _ in range(6)]

    for wait, whole in zip(waits, [1, 2, 4, 8, 10, 10], strict=True):
        assert whole / 2 <= wait <= whole


def test_the_wait_is_spread_so_that_a_crowd_does_not_return_at_once() -> None:
    waits = {Backoff(first_seconds=8, longest_seconds=8).next_seconds() for _ in range(200)}

    assert len(waits) > 100
    assert min(waits) < 5
    assert max(waits) > 7


def test_success_starts_anew() -> None:
    backoff = Backoff(first_seconds=1, longest_seconds=1000)
    for _ in range(8):
        backoff.next_seconds()

    backoff.reset()

    assert backoff.next_seconds() <= 1


@pytest.mark.parametrize("failures", [100, 5000])
def test_a_week_of_failures_does_not_overflow(failures: int) -> None:
    backoff = Backoff(first_seconds=0.2, longest_seconds=5)

    waits = [backoff.next_seconds() for _ in range(failures)]

    assert 2.5 <= waits[-1] <= 5
