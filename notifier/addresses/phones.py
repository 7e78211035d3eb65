"""Phone numbers in one form, +12025550123, and those that no message should go to."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberType
from phonenumbers.phonenumberutil import _number_type_helper  # named in tests/test_internals.py

from notifier.addresses import phone_countries, regions
from notifier.addresses.emails import shortened

#: A number as the database has it, whatever the numbering plans say (ITU-T E.164).
E164 = r"^\+[1-9][0-9]{6,14}$"
_E164 = re.compile(E164)
#: A number that a spreadsheet took for an amount, so that it got decimals: 442079460018.00
_DECIMAL = re.compile(r"(\+?[0-9]{7,})[.,]([0-9]+)")
#: Decimals after a number with blanks or dashes in it, or a second extension as Italians note it: 06 698 1234/5
_APPENDED = re.compile(r"(.*[0-9])[ ]*(?:[.,]0+|/[0-9]{1,4})")
#: A long number as a spreadsheet shortens it: 4.42079E+11
_SCIENTIFIC = re.compile(r"\+?[0-9.,]+e[+-]?[0-9]+", re.IGNORECASE)
#: The region that phonenumbers gives to numbers of no country: of satellites, ships and machines, and those that cost
#: the caller nothing, or a lot, from everywhere.
_NO_COUNTRY = "001"
_SATELLITES = (870, 881, 882, 883)
#: Whoever owns such a number sets the price of a message to it.
_PREMIUM = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which forwards messages at an extra charge",
}
#: What most of the world dials before a country code, and what North America does.
_DIALLED_BEFORE_ABROAD = ("00", "011")
#: Where nothing tells the country, as two of them write their numbers.
_ANY_COUNTRY = (
    f"Include the country code, as in {regions.example('GB')} for {regions.in_words('GB')} or {regions.example('US')} "
    f"for {regions.in_words('US')}."
)
#: By so many of its last digits a stored number is known to be the one that was found to be a landline's.
LANDLINE_DIGITS = 4


class Phone(NamedTuple):
    number: str
    #: No SMS is sent to them. False where the plan of the country does not tell them from mobile numbers.
    is_landline: bool

    @property
    def landline_ending(self) -> str | None:
        """What a client's row keeps beside the number: see `Client.landline_ending`."""
        return self.number[-LANDLINE_DIGITS:] if self.is_landline else None


def read(text: str, *, region: str | None, likely: str | None = None) -> Phone:
    """The number, by the same rules for files and pages; raises ValueError with what is wrong.

    `region`: the country of numbers without a country code; without it they are refused. `likely`: for a single number,
    the country that a refusal then looks at first for what may be meant; empty where none is likelier than others.
    """
    text = whole(" ".join(unicodedata.normalize("NFKC", text).split()))
    if (found := _APPENDED.fullmatch(text)) and _exists(found[1], region):
        raise ValueError(
            f"“{shortened(text)}” has something after the number {shortened(found[1])}. Enter only the number."
        )
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise ValueError(_why_none(text, region, likely)) from error
    kind = _kind(number)
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if kind == PhoneNumberType.UNKNOWN or not _E164.fullmatch(written):
        raise ValueError(_why_none(text, region, likely))
    if what := _undeliverable(number, kind):
        raise ValueError(f"“{shortened(text)}” is {what}. Messages are not sent to such numbers.")
    return Phone(written, kind == PhoneNumberType.FIXED_LINE)


def spaced(number: str) -> str:
    """+442079460018 as people read it, +44 20 7946 0018; whatever is not in the form of storage as it is.

    It takes 0.1 ms and nothing is kept of it: no number may stay in a process once its client was erased.
    """
    if not _E164.fullmatch(number):
        return number
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    # Countries have dashes, full stops and brackets between the groups.
    groups = re.findall(r"[0-9]+", written)
    # Some plans put a digit more or less into what people dial: then it would be another number.
    return f"+{' '.join(groups)}" if "".join(groups) == number[1:] else number


def _kind(number: phonenumbers.PhoneNumber) -> int:
    """As `phonenumbers.number_type`, which looks at the plans of countries that share a calling code, and then again at
    that of the country that it found."""
    digits = phonenumbers.national_significant_number(number)
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ()):
        plan = PhoneMetadata.metadata_for_region(region)
        if plan is None or plan.leading_digits:
            break
        kind: int = _number_type_helper(digits, plan)
        if kind != PhoneNumberType.UNKNOWN:
            return kind
    return phonenumbers.number_type(number)


def _exists(text: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False


def why_not_within(number: str, countries: Collection[str]) -> str:
    """What keeps a message from being sent where only these countries may be written to; empty where nothing does."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return "something that is not a number"
    if what := _undeliverable(parsed, phonenumbers.number_type(parsed)):
        return what
    # By its first digits, so that a page counts the same (notifier/policies/sms_countries.py).
    if phone_countries.beginnings(tuple(countries)).fit(number):
        return ""
    return f"numbers of {_country(parsed, countries) or 'no country'}"


def _country(number: phonenumbers.PhoneNumber, countries: Collection[str]) -> str:
    """Which country the number is in, or may be in: none of those that are allowed."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
    likely = (phonenumbers.region_code_for_number(number), *regions)
    return next((one for one in likely if one and one not in countries), "")


def whole(text: str) -> str:
    """Without the `.0` that a program adds which takes a number for one to reckon with.

    Read as it stands, the nought would make it another person's number.
    """
    if _SCIENTIFIC.fullmatch(text):
        raise ValueError(
            f"“{shortened(text)}” was rounded by a spreadsheet. Format the column as text and enter it again."
        )
    if (found := _DECIMAL.fullmatch(text)) is None:
        return text
    if found[2].strip("0"):
        raise ValueError(f"“{shortened(text)}” is not a whole number.")
    return found[1]


def _undeliverable(number: phonenumbers.PhoneNumber, kind: int) -> str:
    code = number.country_code or 0
    if code in _SATELLITES:
        return "a satellite or machine number"
    if phonenumbers.region_code_for_country_code(code) == _NO_COUNTRY:
        return "a number that belongs to no country"
    return _PREMIUM.get(kind, "")


def _why_none(text: str, region: str | None, likely: str | None) -> str:
    reason = f"“{shortened(text)}” is not a valid phone number."
    if country := regions.of_code(text):
        return f"{reason} A number in {regions.in_words(country)} looks like {regions.example(country)}."
    if text.startswith("+"):
        return f"{reason} No country has that country code."
    if not region and likely is not None:
        likely = regions.of_notation(text, likely=likely) or likely
        if likely and (meant := regions.completed(text, likely)):
            return f"{reason} Include the country code: as a number in {regions.in_words(likely)} it is {meant}."
    if (country := region or likely or "") and (example := regions.example(country)):
        return f"{reason} Include the country code: a number in {regions.in_words(country)} looks like {example}."
    return f"{reason} {_ANY_COUNTRY}"


# --- Looking for one --------------------------------------------------------------------------------------------------
#: From so many digits on, what is typed may be a number of any country as people write it there. Fewer do where no
#: country is set: otherwise a short beginning means a number of that one.
ANYWHERE_DIGITS = 3
ABROAD_DIGITS = 6


def searched(text: str, *, region: str | None) -> list[str]:
    """How the numbers may begin that somebody looks for, as they are stored; the likeliest first.

    `text` is a number, or its beginning, in any notation: +44 (0)20 7946, 0044 20, 44 20, or as it is dialled within
    its country, 020 or 20. Empty where it is none, for it has a letter or no digit. `region`: the country of numbers
    without a country code; those of others are `elsewhere`.
    """
    text, digits = _typed(text)
    if not digits:
        return []
    if _has_plus(text):
        return _abroad(digits)
    found = [*_whole_number(text, region), *_at_home(digits, region)] if region else []
    for prefix in _dialled_before_abroad(region):
        if dialled := re.match(prefix, digits):
            found += _abroad(digits[dialled.end() :])
    found += [] if digits.startswith("0") else _abroad(digits)
    return list(dict.fromkeys(found))


def elsewhere(text: str, *, region: str | None) -> list[str]:
    """As `searched`, as it is dialled within any country: one beginning for each calling code, so some two hundred."""
    text, digits = _typed(text)
    # Nowhere do numbers of the country begin with two noughts.
    is_long_enough = len(digits) >= (ABROAD_DIGITS if region else ANYWHERE_DIGITS) and not digits.startswith("00")
    return list(dict.fromkeys(_anywhere(text, digits))) if is_long_enough and not _has_plus(text) else []


def _typed(text: str) -> tuple[str, str]:
    """It in plain characters, and its digits; none where it has letters."""
    text = unicodedata.normalize("NFKC", text).strip().removeprefix("tel:")
    has_letters = any(unicodedata.category(char)[0] in "LM" for char in text)
    return text, "" if has_letters else "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


def _has_plus(text: str) -> bool:
    before, plus, _ = text.partition("+")
    return bool(plus) and not any(char.isdecimal() for char in before)


def _anywhere(text: str, digits: str) -> Iterable[str]:
    """Of a number as it is dialled within whichever country has numbers of that length."""
    for code, (region, *_) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        plan: Any = PhoneMetadata.metadata_for_region(region)
        if plan is None:
            continue
        if plan.national_prefix_for_parsing != plan.national_prefix:
            yield from _whole_number(text, region)
        longest = 1 + len(str(code)) + max(plan.general_desc.possible_length)
        yield from (one for one in _at_home(digits, region) if len(one) <= longest)


def _whole_number(text: str, region: str) -> list[str]:
    """Of one that is complete: some countries write more than a 0 before it, or between its parts."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return []
    is_one = phonenumbers.is_valid_number(number)
    return [phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)] if is_one else []


def _dialled_before_abroad(region: str | None) -> list[str]:
    plan: Any = PhoneMetadata.metadata_for_region(region) if region else None
    return [*_DIALLED_BEFORE_ABROAD, *([plan.international_prefix] if plan else [])]


def _abroad(digits: str) -> list[str]:
    """Of a number with its country code. Some write what is dialled at home alone behind it: +44 (0)20."""
    for length in (1, 2, 3):
        code, rest = digits[:length], digits[length:]
        if rest.startswith("0") and "0" in _dialled_at_home(int(code)):
            return [f"+{code}{rest[1:]}", f"+{digits}"]
    return [f"+{digits}"] if digits else []


def _dialled_at_home(code: int) -> list[str]:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    plans: list[Any] = [PhoneMetadata.metadata_for_region(region) for region in regions[:1]]
    return [plan.national_prefix for plan in plans if plan]


def _at_home(digits: str, region: str) -> list[str]:
    """Of a number without its country code, whether or not it has what is dialled before it, such as 0."""
    plan: Any = PhoneMetadata.metadata_for_region(region)
    trunk = plan.national_prefix or ""
    rest = digits.removeprefix(trunk)
    return [] if trunk == "0" and rest.startswith("0") else [f"+{plan.country_code}{rest}"]
