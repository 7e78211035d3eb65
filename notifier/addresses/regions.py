"""The countries that phone numbers may be of: what each is called, and how a number of it is written."""

import re
from functools import cache
from importlib.resources import files

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
#: What stands before a country code: a plus sign, or what most of the world dials.
_WITH_CODE = re.compile(r"[(]?\+|00(?=[1-9])")
#: Where the time zone database, which the names come from, has none: ISO 3166 itself has none for them.
_UNLISTED = {"AC": "Ascension Island", "TA": "Tristan da Cunha", "XK": "Kosovo"}


@cache
def names() -> dict[str, str]:
    """By its two letters, each country in the order of the names."""
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    listed = dict(line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    found = {region: (listed | _UNLISTED).get(region, region) for region in phonenumbers.SUPPORTED_REGIONS}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def choices() -> dict[str, str]:
    """By its two letters, each country with its calling code: "Sweden (+46)"."""
    return {region: f"{name} (+{phonenumbers.country_code_for_region(region)})" for region, name in names().items()}


#: Countries that a sentence gives an article.
_WITH_ARTICLE = re.compile(
    "United .*|.* Islands|.* Republic|.* Rep[.]|.* Territory|Isle of .*|Turks .*|Bahamas|Comoros|Gambia|Maldives|"
    "Netherlands|Philippines|Seychelles"
)


def in_words(region: str) -> str:
    """As it stands inside a sentence: "Sweden", "the United States"."""
    name = names()[region]
    return f"the {name}" if _WITH_ARTICLE.fullmatch(name) else name


@cache
def of_zone(zone: str) -> str:
    """The country of a time zone, such as GB of Europe/London; empty where it is of none, or of one without numbers."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return next(
        (region for region, _, name, *_ in lines if name == zone and region in phonenumbers.SUPPORTED_REGIONS), ""
    )


def example(region: str) -> str:
    """A mobile number of the country with its country code, such as "+46 70 123 45 67"; empty where none is known."""
    number = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE) or phonenumbers.example_number(region)
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL) if number else ""


def of_code(number: str) -> str:
    """The country whose code a number that is written with one begins with, however short it is; or else empty."""
    if not (written := _WITH_CODE.match(number)):
        return ""
    digits = "".join(char for char in number[written.end() :] if char.isdecimal())
    codes = (int(digits[:length]) for length in (1, 2, 3) if len(digits) >= length)
    found = (phonenumbers.region_code_for_country_code(code) for code in codes)
    return next((region for region in found if region in phonenumbers.SUPPORTED_REGIONS), "")


def of_notation(number: str, *, likely: str = "") -> str:
    """The country whose number it most likely is without its country code: `likely` where it has such numbers, or else
    one of whose mobile phones it is as they are written there; empty where there is none.

    It takes some 0.05 s: it is for one number that somebody types, and not for a file of them.
    """
    if (found := _read(number, likely)) and phonenumbers.is_possible_number(found):
        return likely
    main = [regions[0] for regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.values()]
    return next((region for region in main if _is_as_written(number, region)), "")


def _is_as_written(number: str, region: str) -> bool:
    if (found := _read(number, region)) is None or phonenumbers.number_type(found) not in _MOBILE:
        return False
    return phonenumbers.format_number(found, PhoneNumberFormat.NATIONAL) == " ".join(number.split())


def completed(number: str, region: str) -> str:
    """With its country code, as a number of the country: "+46 70 123 45 67"; empty where the country has none such."""
    if (found := _read(number, region)) is None or not phonenumbers.is_valid_number(found):
        return ""
    return phonenumbers.format_number(found, PhoneNumberFormat.INTERNATIONAL)


def _read(number: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
