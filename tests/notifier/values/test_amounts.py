from decimal import Decimal

import pytest

from notifier.values.base import CELL, TYPED, FieldKind, Reading, ValueType
from notifier.values.kinds import type_of

COMMA = Reading(decimal_mark=",")
WHOLE, DECIMAL = type_of(kind=FieldKind.WHOLE), type_of(kind=FieldKind.DECIMAL)
EUR, JPY, USD = (type_of(kind=FieldKind.MONEY, currency=code) for code in ("EUR", "JPY", "USD"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1234.5", "1234.5"),
        ("1,234.5", "1234.5"),
        ("1,234,567", "1234567"),
        ("1 234 567.25", "1234567.25"),
        ("1\u202f234\u202f567", "1234567"),
        ("1'234'567.25", "1234567.25"),
        ("-5", "-5"),
        ("−5", "-5"),
        ("+5.0", "5"),
        (".5", "0.5"),
        ("-0", "0"),
        ("0.30000000000000004", "0.3"),
        ("59.969999999999995", "59.97"),
        ("1e-05", "0.00001"),
        ("1000000000.000001", "1000000000.000001"),
        ("1234567890.1234567", "1234567890.12346"),
    ],
)
@pytest.mark.parametrize("reading", [TYPED, CELL])
def test_a_number_is_read_however_its_thousands_are_set_apart(text: str, number: str, reading: Reading) -> None:
    assert DECIMAL.read(text, reading) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "number"), [("1234,5", "1234.5"), ("1.234,5", "1234.5"), ("1.234", "1234"), ("1,234", "1.234")]
)
def test_a_comma_is_read_as_the_decimal_mark_where_somebody_said_so(text: str, number: str) -> None:
    assert DECIMAL.read(text, COMMA) == Decimal(number)


def test_a_number_that_reads_otherwise_elsewhere_is_refused_in_a_file_and_taken_on_our_page() -> None:
    with pytest.raises(ValueError, match=r"“1,234” can be read as 1234 or as 1\.234"):
        DECIMAL.read("1,234", CELL)

    assert DECIMAL.read("1,234", TYPED) == 1234


@pytest.mark.parametrize(
    "text",
    ["1,5", "12,34", "1,23,456", "1.2.3", "1,234.5.6", "--5", "1 23", "five", "٣", "1_000", "0x10", "(5)", "1e999"],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a number|shortened"):
        DECIMAL.read(text)


def test_a_number_that_a_spreadsheet_shortened_is_not_taken_for_the_whole_one() -> None:
    with pytest.raises(ValueError, match="was shortened by a spreadsheet"):
        WHOLE.read("4.91235E+12", CELL)


@pytest.mark.parametrize(
    ("value_type", "text", "why"),
    [
        (WHOLE, "1.5", "not a whole number"),
        (WHOLE, "1000000000000000", "too large"),
        (DECIMAL, "1000000000000", "too large"),
        (DECIMAL, "-1000000000000", "too large"),
        (DECIMAL, "0.1234567", "more than 6 decimal places"),
        (EUR, "1.999", "EUR has 2 decimal places"),
        (JPY, "1.5", "JPY has no decimal places"),
        (EUR, "$5", "not an amount in EUR"),
        (EUR, "5 USD", "not an amount in EUR"),
        (EUR, "€ € 5", "not an amount in EUR|not a number"),
    ],
)
def test_what_does_not_fit_the_field_is_refused_with_the_reason(value_type: ValueType, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        value_type.read(text)


@pytest.mark.parametrize("text", ["12.5", "€12.50", "12.50 €", "EUR 12.5", "12.5 eur", "€ 12.50"])
def test_an_amount_may_have_its_own_currency_beside_it(text: str) -> None:
    assert EUR.read(text) == Decimal("12.5")
    assert EUR.read(f"-{text}") == Decimal("-12.5")


def test_amounts_are_shown_with_all_decimal_places_of_their_currency() -> None:
    assert EUR.show(Decimal("1234.5")) == "1,234.50 EUR"
    assert JPY.show(Decimal("1234")) == "1,234 JPY"
    assert USD.read("$1,234.50") == Decimal("1234.5")
