"""What all kinds of values promise: what is read comes back as it was, however it is stored, shown and written."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.files import excel
from notifier.files.base import NO_RESULT
from notifier.values import amounts, currencies, dates, texts
from notifier.values.base import CELL, TYPED, FieldKind, Reading, ValueType
from notifier.values.kinds import type_of
from notifier.values.options import MAX_SEVERAL, Option

COMMA = Reading(decimal_mark=",")
OPTIONS = [Option(number, f"Option {number}") for number in range(1, MAX_SEVERAL + 1)]


def decimals(places: int) -> st.SearchStrategy[Decimal]:
    largest = amounts.MAX_DECIMAL
    return st.decimals(-largest, largest, places=places, allow_nan=False).map(amounts._tidy)


CURRENCIES = st.sampled_from(["EUR", "JPY", "BHD", "CHF"])
LETTERS = st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp", "Cf"])
TEXTS = st.text(LETTERS, min_size=1, max_size=200)


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[ValueType, Any]:
    """A type, and a value that it can have."""
    kind = draw(st.sampled_from(list(FieldKind)))
    currency = draw(CURRENCIES)
    value_type = type_of(kind=kind, currency=currency, options=OPTIONS)
    number = st.integers(1, MAX_SEVERAL)
    values: dict[str, st.SearchStrategy[Any]] = {
        FieldKind.TEXT: TEXTS,
        FieldKind.WHOLE: st.integers(-amounts.MAX_WHOLE, amounts.MAX_WHOLE),
        FieldKind.DECIMAL: decimals(amounts.DECIMAL_PLACES),
        FieldKind.MONEY: decimals(currencies.places(currency)),
        FieldKind.DATE: st.dates(dates.FIRST, dates.LAST),
        FieldKind.YES_NO: st.booleans(),
        FieldKind.CHOICE: number,
        FieldKind.CHOICES: st.sets(number, min_size=1).map(lambda chosen: tuple(sorted(chosen))),
    }
    value = draw(values[kind])
    return value_type, value_type.read(value) if kind == FieldKind.TEXT else value


@given(typed_values())
def test_what_is_stored_is_loaded_again(given_value: tuple[ValueType, Any]) -> None:
    value_type, value = given_value
    if value is None:
        return

    stored = value_type.store(value)

    assert value_type.load(stored) == value
    assert isinstance(stored, str) == value_type.is_text
    # It fits into a column of both engines.
    assert isinstance(stored, str) or -(2**63) <= stored < 2**63


@given(typed_values(), st.sampled_from([TYPED, CELL]))
def test_what_is_written_is_read_again(given_value: tuple[ValueType, Any], reading: Reading) -> None:
    value_type, value = given_value
    if value is not None:
        assert value_type.read(value_type.write(value), reading) == value


@given(typed_values())
def test_what_is_shown_can_be_typed(given_value: tuple[ValueType, Any]) -> None:
    value_type, value = given_value
    if value is not None and value_type.kind != FieldKind.CHOICES:
        assert value_type.read(f"  {value_type.show(value)} ") == value


@given(
    st.sampled_from(list(FieldKind)),
    st.text(max_size=60),
    st.sampled_from([TYPED, CELL, COMMA, Reading(day_first=True)]),
)
def test_any_text_is_a_value_a_blank_or_refused_in_a_sentence(kind: FieldKind, text: str, reading: Reading) -> None:
    value_type = type_of(kind=kind, currency="EUR", options=OPTIONS[:3])

    try:
        value = value_type.read(text, reading)
    except ValueError as error:
        said = str(error)
    else:
        said = ""
        assert value is None or value_type.load(value_type.store(value)) == value
    assert not said or (said.endswith(".") and len(said) < 500)


@given(decimals(amounts.DECIMAL_PLACES), decimals(amounts.DECIMAL_PLACES))
def test_numbers_are_stored_in_their_order(one: Decimal, other: Decimal) -> None:
    first, second = (int(type_of(kind=FieldKind.DECIMAL).store(number)) for number in (one, other))
    assert (first < second, first == second) == (one < other, one == other)


@given(st.dates(dates.FIRST), st.dates(dates.FIRST))
def test_dates_are_stored_in_their_order(one: date, other: date) -> None:
    first, second = (int(type_of(kind=FieldKind.DATE).store(day)) for day in (one, other))
    assert (first < second, first == second) == (one < other, one == other)


@given(st.floats(-1e11, 1e11, allow_nan=False).map(lambda number: round(number, 3)))
def test_a_cell_of_a_workbook_is_the_number_that_the_spreadsheet_shows(number: float) -> None:
    read = type_of(kind=FieldKind.DECIMAL).read(excel.as_text(number), CELL)

    assert read == Decimal(f"{number:.3f}")


@pytest.mark.parametrize("kind", list(FieldKind))
@pytest.mark.parametrize("blank", ["", "  ", "\u00a0\t", "\u200b", "\u2800"])
def test_a_blank_is_no_value(kind: FieldKind, blank: str) -> None:
    assert type_of(kind=kind, currency="EUR", options=OPTIONS).read(blank) is None


@pytest.mark.parametrize("kind", list(FieldKind))
@pytest.mark.parametrize("text", [NO_RESULT, "#REF!", "#N/A", "x" * 2_001])
def test_what_a_failed_formula_left_is_refused_whatever_the_field(kind: FieldKind, text: str) -> None:
    with pytest.raises(ValueError, match=r"formula|longer"):
        type_of(kind=kind, currency="EUR", options=OPTIONS).read(text, CELL)


def test_a_text_is_compared_without_capitals_in_one_form() -> None:
    assert texts.folded("STRASSE") == texts.folded("straße")
    assert texts.folded("Zoe\u0308") == texts.folded("ZOË")
    assert texts.folded("Zoe") != texts.folded("Zoë")
