"""Which time zones a phone number may be in: by its area code where that tells the place, else by its country.

Both tables are other packages' data: area codes are those of `phonenumbers` (libphonenumber's), a country's zones those
of `tzdata` (zone.tab). Of libphonenumber's table two things are not believed, for somebody would be woken:

- its zones of countries, some of which are a neighbour's: with Paris for Algeria, Bucharest for Libya and Chicago for
  Nicaragua the morning begins an hour early in summer;
- one zone for the mobile numbers of a country with several, such as Moscow for all of +7 9.
"""

from collections import defaultdict
from functools import cache
from importlib import resources

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA

Zones = tuple[str, ...]

#: Calling codes whose numbers begin with an area code, those of mobile phones too: North America, Mexico, Brazil.
AREA_CODES = (1, 52, 55)
#: A plus sign, such a calling code, and as much of the area code as makes four digits.
AREA_LENGTH = 5


def of_number(phone: str) -> Zones:
    """Of an E.164 number; empty where it is in no country, such as +800.

    An area code or a country with several zones tells no more than that it is one of them.
    """
    if zones := areas().get(phone[:AREA_LENGTH]):
        return zones
    code = _calling_code(phone)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    if len(regions) > 1 and (region := _region(phone)):
        return _of_region(region, code)
    # A number that fits none of those who share its code, such as a new area code: any of them.
    return _of_regions(regions, code)


def of_code(code: int) -> tuple[Zones, ...]:
    """All that `of_number` may say of a calling code's numbers, area codes apart."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    return tuple({*(_of_region(region, code) for region in regions), _of_regions(regions, code)})


@cache
def areas() -> dict[str, Zones]:
    """The zones of each area code that is known, by the beginning of its numbers.

    All zones of an area code that has several: its exchanges, by which the table tells them apart, are of landlines.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for digits, zones in TIMEZONE_DATA.items():
        code = _calling_code(f"+{digits}")
        # Not what is said of the calling code as a whole.
        if code in AREA_CODES and digits != str(code):
            for start in _starts(digits):
                found[start].update(zones)
    return {start: tuple(sorted(zones)) for start, zones in found.items()}


def _starts(digits: str) -> list[str]:
    """All beginnings, as long as an area code's, of numbers that begin with these digits."""
    missing = AREA_LENGTH - 1 - len(digits)
    if missing <= 0:
        return [f"+{digits}"[:AREA_LENGTH]]
    return [f"+{digits}{rest:0{missing}d}" for rest in range(10**missing)]


@cache
def _of_countries() -> dict[str, Zones]:
    """The zones of each country, by its two letters."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found[country].append(zone)
    return {country: tuple(zones) for country, zones in found.items()}


def _of_region(region: str, code: int) -> Zones:
    # Kosovo, Ascension and Tristan da Cunha have a calling code and no letters of ISO's.
    return _of_countries().get(region) or TIMEZONE_DATA.get(str(code), ())


def _of_regions(regions: tuple[str, ...], code: int) -> Zones:
    return tuple(dict.fromkeys(zone for region in regions for zone in _of_region(region, code)))


def _calling_code(phone: str) -> int:
    """Of an E.164 number; 0 where it has none that is known. No code begins with another."""
    for digits in (1, 2, 3):
        written = phone[1 : 1 + digits]
        if written.isdecimal() and int(written) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return int(written)
    return 0


def _region(phone: str) -> str | None:
    try:
        found: str | None = phonenumbers.region_code_for_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return None
    return found
