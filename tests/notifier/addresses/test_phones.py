import random

import phonenumbers
import pytest

from notifier.addresses import phones


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+393471234567.0", "+393471234567"),
        ("+436641234568.0", "+436641234568"),
        ("+6421123456.0", "+6421123456"),
        ("+358401234567,0", "+358401234567"),
        ("+6281212345678.00", "+6281212345678"),
        ("+33.1.42.68.53.00", "+33142685300"),  # dots between the groups
        ("+39347123456７．０", "+393471234567"),
    ],
)
def test_a_number_that_became_a_decimal_is_the_whole_number(text: str, number: str) -> None:
    assert phones.read(text, region=None).number == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("+39347123456.7", "is not a whole number"),
        ("4366412345E7", "was rounded by a spreadsheet"),
        ("4.36641234567E+11", "was rounded by a spreadsheet"),
        ("436641234567.0", "Include the country code"),
        ("nan", "is not a valid phone number"),
        ("+39 347 1234567.0", "has something after the number"),
        ("+39-347-1234567.00", "has something after the number"),
        ("+39.347.1234567.0", "has something after the number"),
        ("+393471234567\u00a0.0", "has something after the number"),
        ("+393471234567/0", "has something after the number"),
        ("+19002345678", "is a premium-rate number"),
        ("+447012345678", "is a personal number"),
        ("+15002345678", "is a personal number"),
        ("+491801234567", "is a shared-cost number"),
        ("+881612345678", "is a satellite or machine number"),
        ("+870773111632", "is a satellite or machine number"),
        ("+80012345678", "is a number that belongs to no country"),
    ],
)
def test_what_no_message_should_go_to_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        phones.read(text, region=None)


@pytest.mark.parametrize(
    ("text", "is_landline"), [("+493012345678", True), ("+4915112345678", False), ("+12025550123", False)]
)
def test_a_landline_is_told_where_the_plan_of_its_country_tells_it(text: str, is_landline: bool) -> None:
    assert phones.read(text, region=None).is_landline is is_landline


def test_the_kind_of_a_number_is_what_the_numbering_plans_say() -> None:
    """Of an example of each kind in each country, and of numbers that differ from it by a digit."""
    chance = random.Random(5)
    kinds = range(phonenumbers.PhoneNumberType.VOICEMAIL + 1)
    numbers = [
        phonenumbers.example_number_for_type(one, kind) for one in phonenumbers.SUPPORTED_REGIONS for kind in kinds
    ]

    for number in filter(None, numbers):
        for _ in range(3):
            assert phones._kind(number) == phonenumbers.number_type(number), number
            digits = list(str(number.national_number))
            digits[chance.randrange(len(digits))] = chance.choice("123456789")
            number.national_number = int("".join(digits))


@pytest.mark.parametrize(
    ("text", "region", "numbers"),
    [
        ("+44 20 7946", None, ["+44207946"]),
        ("+44 (0)20 7946", None, ["+44207946", "+440207946"]),
        ("+44020", None, ["+4420", "+44020"]),
        ("+39 06 698", None, ["+3906698"]),  # in Italy the 0 is a part of the number
        ("(+44) 20", "US", ["+4420"]),
        ("tel:+44-20", None, ["+4420"]),
        ("\u202a+44\u00a020\u202c", None, ["+4420"]),
        ("０20\u20117946", "GB", ["+44207946"]),
        ("٠٢٠", "GB", ["+4420"]),
        ("0044 20", None, ["+4420"]),
        ("0044 (0) 20", "GB", ["+4420", "+44020"]),
        ("011 44 20", "US", ["+10114420", "+4420"]),
        ("020 7946", "GB", ["+44207946"]),
        ("(020) 79/46.1", "GB", ["+442079461"]),
        ("20 7946", "GB", ["+44207946", "+207946"]),
        ("44 20", "GB", ["+444420", "+4420"]),
        ("303-555", "US", ["+1303555", "+303555"]),
        ("1 (303) 555", "US", ["+1303555"]),
        ("06 698", "IT", ["+3906698"]),
        ("8 912", "RU", ["+7912", "+8912"]),
        ("06 20 123", "HU", ["+3620123"]),
        ("44 20", None, ["+4420"]),
        ("020 7946", None, []),
        ("0", "GB", ["+44"]),
        *((text, "GB", []) for text in ("", " ", "+", "()", "3M", "Ann 1", "é", "%", "+44x", "0044 20 or so")),
    ],
)
def test_a_number_that_is_looked_for_is_read_in_any_notation(text: str, region: str | None, numbers: list[str]) -> None:
    assert phones.searched(text, region=region) == numbers


def test_every_number_is_found_as_its_country_and_others_write_it() -> None:
    """Of an example of each kind in each country: whole, and but for the last two digits."""
    formats = phonenumbers.PhoneNumberFormat
    every = [(one, kind) for one in phonenumbers.SUPPORTED_REGIONS for kind in phonenumbers.PhoneNumberType.values()]
    for region, kind in every:
        if (number := phonenumbers.example_number_for_type(region, kind)) is None:
            continue
        stored = phonenumbers.format_number(number, formats.E164)
        for written in (formats.E164, formats.INTERNATIONAL, formats.NATIONAL):
            text = phonenumbers.format_number(number, written)
            # There, what is dialled before or within a number depends on all of its digits.
            is_part_known = written != formats.NATIONAL or region not in ("AR", "BY")
            for typed in (text, *([text[:-2]] if is_part_known else [])):
                found = phones.searched(typed, region=region)
                assert any(stored.startswith(one) for one in found), (region, typed, found)


# --- As people read them --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("number", "spaced"),
    [
        ("+442079460018", "+44 20 7946 0018"),
        ("+12025550123", "+1 202 555 0123"),
        ("+46701740605", "+46 70 174 06 05"),
        ("+436641234568", "+43 664 1234568"),
        ("+9990000000", "+9990000000"),  # of no country
        ("ann@example.com", "ann@example.com"),
        ("[erased]", "[erased]"),
        ("", ""),
        ("+44 20 7946 0018", "+44 20 7946 0018"),
        ("+" + "1" * 4000, "+" + "1" * 4000),
    ],
)
def test_a_number_is_shown_in_groups_of_digits(number: str, spaced: str) -> None:
    assert phones.spaced(number) == spaced


def test_it_stays_the_number_that_it_is_in_every_country() -> None:
    chance = random.Random(7)
    stored = [
        f"+{code}{''.join(chance.choices('0123456789', k=chance.randint(6, 14 - len(str(code)))))}"
        for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
        for _ in range(20)
    ]

    for number in stored:
        assert "".join(phones.spaced(number).split()) == number
