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
    ("text", "region", "likely", "words"),
    [
        ("0701", "SE", None, "Include the country code: a number in Sweden looks like +46 70 123 45 67."),
        ("0701", None, "SE", "Include the country code: a number in Sweden looks like +46 70 123 45 67."),
        ("070-123 45 67", None, "SE", "as a number in Sweden it is +46 70 123 45 67."),
        (
            "07700 900123",
            None,
            "",
            "as in +44 7400 123456 for Britain (UK) or +1 201-555-0123 for the United States.",
        ),  # is kept for films
        ("07400 123456", None, "", "as a number in Britain (UK) it is +44 7400 123456."),
        ("07700 900123", None, "GB", "a number in Britain (UK) looks like +44 7400 123456."),
        ("(202) 555-0123", None, "", "as a number in the United States it is +1 202-555-0123."),
        ("06 12 34 56 78", None, "", "as a number in France it is +33 6 12 34 56 78."),
        ("040 1234567", None, "FI", "as a number in Finland it is +358 40 1234567."),
        ("0031 6 12", None, "GB", "A number in the Netherlands looks like +31 6 12345678."),
        ("+31 6 12", "GB", None, "A number in the Netherlands looks like +31 6 12345678."),
        ("+44", None, "", "A number in Britain (UK) looks like +44 7400 123456."),
        ("(+1) 2", "GB", "", "A number in the United States looks like +1 201-555-0123."),
        ("+999 12", "GB", "GB", "No country has that country code."),
        ("0701", None, "", "as in +44 7400 123456 for Britain (UK) or +1 201-555-0123 for the United States."),
        (
            "07700 900123",
            None,
            None,
            "as in +44 7400 123456 for Britain (UK) or +1 201-555-0123 for the United States.",
        ),
    ],
)
def test_a_refusal_names_the_country_code_as_the_country_writes_it_that_is_most_likely_meant(
    text: str, region: str | None, likely: str | None, words: str
) -> None:
    with pytest.raises(ValueError, match="is not a valid phone number") as refused:
        phones.read(text, region=region, likely=likely)

    assert str(refused.value).endswith(words)


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
        ("44 (0)20 7946", None, ["+44207946", "+440207946"]),
        ("011 44 20", None, ["+4420"]),
        ("020 7946", None, []),
        ("0", "GB", ["+44"]),
        *((text, "GB", []) for text in ("", " ", "+", "()", "3M", "Ann 1", "é", "%", "+44x", "0044 20 or so")),
    ],
)
def test_a_number_that_is_looked_for_is_read_in_any_notation(text: str, region: str | None, numbers: list[str]) -> None:
    assert phones.searched(text, region=region) == numbers


@pytest.mark.parametrize("region", [None, "GB", "US", "FI"])
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("07700 900123", "+447700900123"),
        ("0 20 7946 0018", "+442079460018"),
        ("(020) 7946-0018", "+442079460018"),
        ("7700 900", "+447700900123"),
        ("06 12 34 56", "+33612345678"),
        ("(202) 555-0123", "+12025550123"),
        ("1-202-555", "+12025550123"),
        ("040 1234567", "+358401234567"),
        ("06 698 1234", "+39066981234"),  # the 0 is a part of it
        ("612 345 678", "+34612345678"),
        ("8 (912) 345-67", "+79123456789"),
        ("06 20 123 4567", "+36201234567"),
        ("8 029 491-19-11", "+375294911911"),
        ("011 15-2345-6789", "+5491123456789"),
        ("(11) 96123-4567", "+5511961234567"),
    ],
)
def test_a_number_as_its_own_country_writes_it_is_found_whichever_country_is_set(
    text: str, stored: str, region: str | None
) -> None:
    found = phones.searched(text, region=region) + phones.elsewhere(text, region=region)

    assert any(stored.startswith(one) for one in found)


@pytest.mark.parametrize(
    ("text", "region", "is_looked_for"),
    [
        ("0", None, False),
        ("07", None, False),
        ("077", None, True),
        ("07700", "GB", False),  # a number of that country
        ("077009", "GB", True),
        ("00 77009", None, False),
        ("+77009", None, False),
        ("Ann 77009", None, False),
        ("", None, False),
    ],
)
def test_from_some_digits_on_a_number_is_looked_for_in_every_country(
    text: str, region: str | None, is_looked_for: bool
) -> None:
    found = phones.elsewhere(text, region=region)

    assert bool(found) is is_looked_for
    assert len(set(found)) == len(found) < 250


def test_no_number_is_looked_for_in_a_country_whose_numbers_are_shorter() -> None:
    found = phones.elsewhere("07700 900123", region=None)

    assert "+447700900123" in found
    assert "+3747700900123" not in found


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
