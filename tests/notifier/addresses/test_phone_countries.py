"""What the first digits of a number tell of its country is what the numbering plans say of the whole number."""

import re
from itertools import combinations

import phonenumbers
import pytest
from phonenumbers import PhoneMetadata

from notifier.addresses import phone_countries
from notifier.addresses.phone_countries import _starts, beginnings

SHARED = {code: regions for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items() if len(regions) > 1}
#: An example of each kind of number in each country; those for companies may be short, and for use within a country.
EXAMPLES = {
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164): phonenumbers.region_code_for_number(number)
    for region in phonenumbers.SUPPORTED_REGIONS
    for kind in range(phonenumbers.PhoneNumberType.VOICEMAIL + 1)
    if kind != phonenumbers.PhoneNumberType.UAN
    and (number := phonenumbers.example_number_for_type(region, kind)) is not None
}


def told(countries: tuple[str, ...]) -> list[str]:
    """The examples of which the first digits say something else than the plans."""
    found = beginnings(countries)
    return [number for number, country in EXAMPLES.items() if found.fit(number) != (country in countries)]


def test_there_are_examples_of_every_country() -> None:
    assert len(EXAMPLES) > 800
    assert set(EXAMPLES.values()) > {region for regions in SHARED.values() for region in regions} - {"BL", "MF", "EH"}


@pytest.mark.parametrize("country", ["GB", "US", "CA", "PR", "RU", "KZ", "IT", "AU", "IM", "NO", "SJ", "DE", "IE"])
def test_a_country_alone(country: str) -> None:
    assert told((country,)) == []


@pytest.mark.parametrize("code", SHARED)
def test_all_countries_of_a_code_together_and_all_but_one(code: int) -> None:
    regions = SHARED[code]

    assert told(tuple(regions)) == []
    assert beginnings(tuple(regions)) == (frozenset({f"+{code}"}), frozenset())
    for some in combinations(regions, len(regions) - 1) if len(regions) < 5 else [regions[1:], regions[:-1]]:
        assert told(tuple(some)) == []


@pytest.mark.parametrize(
    ("number", "countries", "fits"),
    [
        # No plan has it; nobody but the United States and Canada begins so.
        ("+15550000000", ("US", "CA"), True),
        ("+491", ("DE",), True),
        ("+870773111632", ("GB",), False),
        ("+80012345678", ("GB",), False),
        ("", ("GB",), False),
    ],
)
def test_numbers_of_no_plan(number: str, countries: tuple[str, ...], fits: bool) -> None:
    assert beginnings(countries).fit(number) == fits


@pytest.mark.parametrize("countries", [("GB",), ("GB", "IE"), ("US", "CA"), ("GG",), ("DE", "RU", "IT")])
def test_all_other_numbers_are_told_as_well(countries: tuple[str, ...]) -> None:
    found = beginnings(countries)

    for number in [*EXAMPLES, "+870773111632", "+80012345678", "+999123456"]:
        assert any(number.startswith(one) for one in found.others) != found.fit(number), number


def test_so_few_beginnings_are_looked_for_that_a_query_stays_short() -> None:
    sizes = {country: len(beginnings((country,)).but) for country in ("GB", "US", "CA", "GG", "IT", "GP")}

    assert max(sizes.values()) < 1_000, sizes


@pytest.mark.parametrize(
    ("pattern", "length", "starts"),
    [
        ("12|3[4-6]", 2, {"12", "34", "35", "36"}),
        ("(?:1|23)4", 2, {"14", "23"}),
        ("1?2{2,3}", 3, {"122", "22", "222"}),
        (r"7\d", 1, {"7"}),
        ("9[05]{0,4}", 2, {"9", "90", "95"}),
    ],
)
def test_what_a_pattern_may_begin_with(pattern: str, length: int, starts: set[str]) -> None:
    parsed = re._parser.parse(pattern)  # type: ignore[attr-defined]

    assert _starts({""}, parsed, length) == starts


def test_every_plan_is_written_in_what_is_understood() -> None:
    for code, regions in SHARED.items():
        for region in regions:
            assert PhoneMetadata.metadata_for_region(region)
            assert phone_countries._of_plan(code, region)
