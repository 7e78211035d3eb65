"""Rates as people write them."""

import pytest

from notifier.policies import rates


@pytest.mark.parametrize(("rate", "words"), [(50, "50/s"), (1.5, "90/m"), (10 / 3600, "10/h"), (0.3, "18/m")])
def test_a_rate_reads_as_people_write_it(rate: float, words: str) -> None:
    assert rates.formatted(rate) == words
    assert rates.read(words) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "50", "0/s", "-1/s", "5/d", "1.5/s", "50/s\n", "12345678/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Write it like 50/s"):
        rates.read(text)
