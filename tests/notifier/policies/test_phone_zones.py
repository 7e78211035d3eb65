"""Where a phone may be: as near as its number tells, and never nearer."""

import os
import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType
from phonenumbers.timezone import time_zones_for_geographical_number
from phonenumbers.tzdata import TIMEZONE_DATA

from notifier.policies import phone_zones
from notifier.policies.phone_zones import Zones


@pytest.mark.parametrize(
    ("phone", "zones"),
    [
        # One zone of many, told by the area code.
        ("+12125550123", ("America/New_York",)),
        ("+18085550123", ("Pacific/Honolulu",)),
        ("+14165550123", ("America/Toronto",)),
        ("+18765550123", ("America/Jamaica",)),
        ("+5511987654321", ("America/Sao_Paulo",)),
        ("+525512345678", ("America/Mexico_City",)),
        # Areas with more than one: a mobile phone's exchange is nowhere.
        ("+18502310123", ("America/Chicago", "America/New_York")),
        ("+12085550123", ("America/Boise", "America/Denver", "America/Los_Angeles")),
        ("+529981234567", ("America/Cancun", "America/Mexico_City")),
        # Countries with one, also where they share a calling code, or have no letters of ISO's.
        ("+33612345678", ("Europe/Paris",)),
        ("+447624123456", ("Europe/Isle_of_Man",)),
        ("+38344123456", ("Europe/Belgrade",)),
        ("+24740123", ("Atlantic/St_Helena",)),
        # Not the neighbour's, as libphonenumber has it.
        ("+213551234567", ("Africa/Algiers",)),
        ("+50581234567", ("America/Managua",)),
        # In no country at all.
        ("+80012345678", ()),
        ("+870773111632", ()),
        ("+999", ()),
        ("", ()),
    ],
)
def test_a_number_tells(phone: str, zones: Zones) -> None:
    assert phone_zones.of_number(phone) == zones


@pytest.mark.parametrize(
    ("phone", "among"),
    [
        # Mobile numbers of countries with several zones.
        ("+61412345678", {"Australia/Sydney", "Australia/Perth"}),
        ("+79161234567", {"Europe/Moscow", "Asia/Kamchatka"}),
        ("+6281234567890", {"Asia/Jakarta", "Asia/Jayapura"}),
        ("+34612345678", {"Europe/Madrid", "Atlantic/Canary"}),
        # Free of charge, from wherever in the country one calls.
        ("+18005550123", {"America/New_York", "Pacific/Honolulu"}),
        # Of none of those who share a code: of any.
        ("+71", {"Europe/Moscow", "Asia/Almaty"}),
    ],
)
def test_a_number_that_tells_no_place_is_anywhere_in_its_country(phone: str, among: set[str]) -> None:
    assert among < set(phone_zones.of_number(phone))


def test_one_of_russia_is_not_taken_for_one_of_kazakhstan() -> None:
    russian, kazakh = map(set, map(phone_zones.of_number, ("+79161234567", "+77012345678")))

    assert not russian & kazakh
    assert "Asia/Almaty" in kazakh


@given(start=st.sampled_from(sorted(phone_zones.areas())), rest=st.text("0123456789", min_size=6, max_size=7))
def test_an_area_code_tells_no_less_than_the_package_does(start: str, rest: str) -> None:
    number = phonenumbers.parse(start + rest)
    zones = time_zones_for_geographical_number(number)

    assert zones == TIMEZONE_DATA[str(number.country_code)] or set(zones) <= set(phone_zones.of_number(start + rest))


@pytest.mark.parametrize("region", sorted(set(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1]) - {"US", "CA"}))
def test_a_country_of_one_zone_that_shares_americas_code_is_told_by_its_area_codes(region: str) -> None:
    number = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    assert number
    phone = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    assert phone_zones.of_number(phone) == phone_zones._of_countries()[region]


def test_only_where_mobile_numbers_are_of_a_place_too_is_the_place_believed() -> None:
    mexico_and_brazil = [code for code in phone_zones.AREA_CODES if code != 1]

    assert all(phonenumbers.is_number_type_geographical(PhoneNumberType.MOBILE, code) for code in mexico_and_brazil)
    assert phonenumbers.number_type(phonenumbers.parse("+12015550123")) == PhoneNumberType.FIXED_LINE_OR_MOBILE


def test_every_country_that_has_phones_has_zones() -> None:
    codes = {code: phone_zones.of_code(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}

    assert {code for code, told in codes.items() if () in told} == {800, 808, 870, 878, 881, 882, 883, 888, 979}
    assert len(codes) > 200


def test_every_zone_is_known_on_a_machine_that_has_none_of_its_own() -> None:
    # As in a slim image: what is there then is the package's.
    script = (
        "import zoneinfo; from notifier.policies import phone_zones as zones; import phonenumbers\n"
        "found = {zone for told in zones.areas().values() for zone in told}\n"
        "for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:\n"
        "    found |= {zone for told in zones.of_code(code) for zone in told}\n"
        "assert zoneinfo.TZPATH == ()\n"
        "print(len([zoneinfo.ZoneInfo(zone) for zone in found]))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 400
