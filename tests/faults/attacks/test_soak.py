"""What the soak takes for a leak, and what not."""

import random

import pytest

from tests.faults.attacks.soak import MAX_GROWTH_KB, MAX_GROWTH_KB_IN_SHORT, MIN_LOOKS, Sample, leaks

#: An hour's.
SAMPLES = 3000


def an_hour(*, kilobytes: float = 0, files: int = 0, threads: int = 0) -> list[Sample]:
    """Of a process that grows by so much in it, and wobbles as memory and files do."""
    dice = random.Random(1)
    return [
        Sample(
            80_000 + round(kilobytes * turn / SAMPLES) + dice.randrange(1500),
            20 + files * turn // SAMPLES + dice.randrange(4),
            5 + threads * turn // SAMPLES,
        )
        for turn in range(SAMPLES)
    ]


def test_a_process_that_wobbles_leaks_nothing() -> None:
    assert leaks(an_hour(), most_kilobytes=MAX_GROWTH_KB) == []


def test_caches_that_fill_in_the_first_quarter_are_no_leak() -> None:
    filling = [Sample(40_000 + 50 * turn, 20, 5) for turn in range(SAMPLES // 4)]

    assert leaks(filling + an_hour()[len(filling) :], most_kilobytes=MAX_GROWTH_KB) == []


@pytest.mark.parametrize(
    ("leak", "what"),
    [({"kilobytes": 5_000}, "memory"), ({"files": 20}, "files"), ({"threads": 20}, "threads")],
)
def test_a_slow_leak_is_noticed(leak: dict[str, int], what: str) -> None:
    (found,) = leaks(an_hour(**leak), most_kilobytes=MAX_GROWTH_KB)

    assert found.startswith(what)


def test_a_process_that_is_seen_between_two_connections_leaks_nothing() -> None:
    torn = [4 if look % 3 else 13 for look in range(MIN_LOOKS)]

    assert leaks([Sample(80_000, files, 5) for files in torn], most_kilobytes=MAX_GROWTH_KB_IN_SHORT) == []


def test_a_short_round_is_held_to_less() -> None:
    assert leaks(an_hour(kilobytes=5_000), most_kilobytes=MAX_GROWTH_KB_IN_SHORT) == []
    assert leaks(an_hour(kilobytes=20_000), most_kilobytes=MAX_GROWTH_KB_IN_SHORT)


def test_one_look_is_no_line() -> None:
    assert leaks([Sample(80_000, 20, 5)], most_kilobytes=MAX_GROWTH_KB) == []
