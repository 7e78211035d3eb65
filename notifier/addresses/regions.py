"""The countries that phone numbers may be of: what each is called, and how a number of it is written."""

from functools import cache
from importlib.resources import files

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

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


def example(region: str) -> str:
    """A mobile number of the country with its country code, such as "+46 70 123 45 67"; empty where none is known."""
    number = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE) or phonenumbers.example_number(region)
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL) if number else ""


def of_code(number: str) -> str:
    """The country whose code a number that is written with one begins with; empty where there is none."""
    try:
        code = phonenumbers.parse(number).country_code or 0
    except phonenumbers.NumberParseException:
        return ""
    region = phonenumbers.region_code_for_country_code(code)
    return region if region in phonenumbers.SUPPORTED_REGIONS else ""
