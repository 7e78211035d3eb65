"""Numbers in text."""

import pytest

from notifier.wording import numbers


@pytest.mark.parametrize(("text", "found"), [("7", 7), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_an_id_is_read(text: str, found: int) -> None:
    assert numbers.read_id(text) == found


@pytest.mark.parametrize("text", ["", " 7", "-7", "7.0", "1e3", "٧", "²", "9" * 19, "7\n"])
def test_what_can_be_no_id_is_none(text: str) -> None:
    assert numbers.read_id(text) is None


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 clients"), (1, "1 client"), (2, "2 clients"), (1234, "1,234 clients")]
)
def test_a_count_goes_with_its_noun(number: int, words: str) -> None:
    assert numbers.counted(number, "client") == words


def test_a_plural_of_its_own_is_given() -> None:
    assert [numbers.counted(number, "delivery", "deliveries") for number in (1, 2)] == ["1 delivery", "2 deliveries"]
