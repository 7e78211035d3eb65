import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.messages import brands
from notifier.messages.brands import BrandLook

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", "21"),
        ("#ffffff", "#ffffff", "1"),
        # As WebAIM's contrast checker says.
        ("#767676", "#ffffff", "4.54"),
        ("#777777", "#ffffff", "4.48"),
        ("#ff0000", "#ffffff", "4.00"),
        ("#4a45c4", "#ffffff", "7.14"),
    ],
)
def test_the_contrast_is_that_of_wcag(one: str, other: str, ratio: str) -> None:
    assert Decimal(brands.contrast(one, other)).quantize(Decimal("0.01")) == Decimal(ratio).quantize(Decimal("0.01"))


@given(one=COLOURS, other=COLOURS)
def test_it_is_the_same_both_ways(one: str, other: str) -> None:
    assert 1 <= brands.contrast(one, other) == brands.contrast(other, one) <= 21


@given(colour=COLOURS)
def test_a_link_can_be_read_whatever_the_colour(colour: str) -> None:
    assert brands.contrast(BrandLook(colour=colour).link_colour, brands.WHITE) >= brands.MIN_CONTRAST


def test_what_a_broadcast_keeps_is_read_as_it_was() -> None:
    look = BrandLook(name="Acme", colour="#0a6b4f", logo="x.png", postal_address="1 High Street\nLondon")

    assert brands.read(json.dumps(look.as_json())) == brands.of(look.as_json()) == look
    assert brands.read(None) == brands.of(None) == brands.NEUTRAL


def test_what_another_release_kept_is_read_too() -> None:
    assert brands.read('{"name": "Acme", "font": "Arial"}') == BrandLook(name="Acme")
