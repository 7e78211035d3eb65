from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.addresses import emails, intended, phones

ANN, NUMBER = "ann@example.com", "+393471234567"


@pytest.mark.parametrize(
    "text",
    [
        ANN,
        "MAILTO:Ann%40Example.com?subject=Stop",
        "Ann <ann@example.com>",
        '"Example, Ann" <ann@example.com>;',
        "ann@exam\u200bple.com.",
        "‘ann@example.com’",
        "'ann@example.com'",
        "ann@example.com, ANN@EXAMPLE.COM",
    ],
)
def test_one_address_is_read_whatever_stands_around_it(text: str) -> None:
    assert intended.email(text) == ANN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann at example.com",
        "ann@example",
        "ann@example.com bob@example.com",
        "a@b ann@example.com",
        "ann@example.com|bob@example.com",
        "mary. ann@example.com",
        "mary_ ann@example.com",
        "ann@example.com .au",
    ],
)
def test_what_may_be_another_address_or_none_is_not_read(text: str) -> None:
    assert intended.email(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "+39 347 123 4567",
        "mobile: +39 (347) 123-4567",
        "0039 347 1234567",
        "+393471234567.0",
        "+39 347 1234567,00",
        "+39 347 123 4567 / 12",
        "+39 347 1234567; +39 347 123 4567 (ask for 2)",
        "\u202a+39 347 123 4567\u202c",
    ],
)
def test_one_number_is_read_whatever_stands_around_it(text: str) -> None:
    assert intended.phone(text, region=None) == NUMBER


@pytest.mark.parametrize(
    "text",
    ["", "none", "3.93471E+11", "347 123 4567", "+39 347 123 4567/+39 347 123 4568", "+39 347 123 4567 or 020 1234"],
)
def test_what_may_be_another_number_or_none_is_not_read(text: str) -> None:
    assert intended.phone(text, region=None) is None


def test_a_number_is_read_as_one_of_the_country_of_the_file() -> None:
    assert intended.phone("347 123 4567 (mobile)", region="IT") == NUMBER


def test_a_very_long_cell_is_not_read() -> None:
    assert intended.email(f"{'x' * intended.MAX_LETTERS} {ANN}") is None
    assert intended.phone(f"{' ' * intended.MAX_LETTERS} {NUMBER}", region=None) is None


@given(st.text() | st.text(st.sampled_from("an@.+0123456789 -/<>,;:\u200b"), max_size=30))
def test_whatever_is_read_is_an_address(text: str) -> None:
    if (address := intended.email(text)) is not None:
        assert emails.read(address) == address
    if (number := intended.phone(text, region=None)) is not None:
        assert phones.read(number, region=None).number == number


@pytest.mark.parametrize(
    "address", ["_ann@example.com", "a|b@example.com", "'ann@example.com", "ann*@example.com", "-a@example.com"]
)
def test_what_may_stand_in_an_address_is_never_taken_for_what_stands_around_it(address: str) -> None:
    assert intended.email(f"Ann <{address}>") == address


@given(st.emails())
def test_what_is_no_mistake_is_read_as_itself(address: str) -> None:
    with suppress(ValueError):
        if (found := intended.email(address)) is not None:
            assert found == emails.read(address)
