"""Numbers: whole ones, decimal ones, and amounts of money. They are kept as whole numbers of small units: exact, and in
order on every engine, where SQLite has no decimals.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from notifier.values import currencies, localised
from notifier.values.base import FieldKind, Reading, Stored, ValueType, quoted

#: The largest of each kind, to both sides of nought. Spreadsheets keep 15 digits.
MAX_WHOLE = 10**15 - 1
MAX_DECIMAL = 10**12 - 1
#: Decimal places of what is entered. Those that are kept: of money the same for all currencies.
DECIMAL_PLACES, MONEY_PLACES = 6, 4
#: Digits that a spreadsheet shows. What a file has beyond them comes of binary fractions, as in 0.30000000000000004.
SIGNIFICANT_DIGITS = 15
MAX_DIGITS = 40

#: Between thousands, wherever people live: blanks of several widths, and apostrophes.
_GROUPING = " \u00a0\u2009\u202f'’"
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+", re.ASCII)
_GROUPED = re.compile(rf"[0-9]{{1,3}}(?:([,{_GROUPING}])[0-9]{{3}})(?:\1[0-9]{{3}})*(?:\.[0-9]+)?", re.ASCII)
_POWER = re.compile(r"([0-9](?:\.[0-9]+)?)[eE]([+-]?)([0-9]{1,3})", re.ASCII)
_SWAPPED = str.maketrans(".,", ",.")


def read_number(text: str, reading: Reading) -> Decimal:
    """Raises ValueError for what is no number, or may be another one elsewhere in the world."""
    sign, rest = _sign(text)
    if len(rest) > MAX_DIGITS:
        raise ValueError(f"{quoted(text)} is not a number: it is longer than {MAX_DIGITS} characters.")
    if reading.decimal_mark == ",":
        rest = rest.translate(_SWAPPED)
    if power := _POWER.fullmatch(rest):
        if power[2] != "-":
            raise ValueError(
                f"{quoted(text)} was shortened by a spreadsheet, which dropped its last digits. Show the whole number "
                "there, and save the file again."
            )
        return sign * _without_noise(Decimal(rest))
    if not reading.decimal_mark and re.fullmatch(r"[0-9]{1,3},[0-9]{3}", rest, re.ASCII):
        plain = rest.replace(",", "")
        raise ValueError(
            f"{quoted(text)} can be read as {plain} or as {rest.replace(',', '.')}. Write {plain} without the comma, "
            "or the decimals with a point."
        )
    if _GROUPED.fullmatch(rest):
        rest = re.sub(f"[,{_GROUPING}]", "", rest)
    elif not _PLAIN.fullmatch(rest):
        raise ValueError(_no_number(text, rest, reading))
    return sign * _without_noise(Decimal(rest))


def _sign(text: str) -> tuple[int, str]:
    if text[:1] in "+-−":
        return (1 if text[0] == "+" else -1), text[1:].lstrip()
    return 1, text


def _no_number(text: str, rest: str, reading: Reading) -> str:
    if re.fullmatch(r"[0-9]+,[0-9]+", rest, re.ASCII) and reading.decimal_mark != ",":
        return f"{quoted(text)} is not a number. Write decimals with a point: {rest.replace(',', '.')}."
    return f"{quoted(text)} is not a number. Write it in digits, as in 1234.5."


def _without_noise(number: Decimal) -> Decimal:
    """Without the digits that binary fractions leave behind those that a spreadsheet shows.

    Nobody types as many: what has no more decimal places than a number of ours may have is taken as it stands.
    """
    places = -int(number.as_tuple().exponent)
    beyond = number.adjusted() + 1 + places - SIGNIFICANT_DIGITS
    return round(number, places - beyond) if places > DECIMAL_PLACES and 0 < beyond < places else number


def plain(number: Decimal, *, grouped: bool = False) -> str:
    """In digits, without noughts at the end and without an exponent: 1234.5, or 1,234.5."""
    text = f"{number:,f}" if grouped else f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


class WholeType(ValueType):
    kind = FieldKind.WHOLE

    def _read(self, text: str, reading: Reading) -> int:
        number = read_number(text, reading)
        if number != number.to_integral_value():
            raise ValueError(f"{quoted(text)} is not a whole number.")
        return int(_within(number, MAX_WHOLE))

    def store(self, value: int) -> Stored:
        return value

    def load(self, stored: Stored) -> int:
        return int(stored)

    def show(self, value: int) -> str:
        return f"{value:,}"

    def tell(self, value: int, *, language: str, is_sms: bool = False) -> str:
        return localised.number(value, language=language, is_sms=is_sms)

    def write(self, value: int) -> str:
        return str(value)


class DecimalType(ValueType):
    kind = FieldKind.DECIMAL

    def _read(self, text: str, reading: Reading) -> Decimal:
        number = _within(read_number(text, reading), MAX_DECIMAL)
        if _places(number) > DECIMAL_PLACES:
            raise ValueError(f"{quoted(text)} has more than {DECIMAL_PLACES} decimal places.")
        return _tidy(number)

    def store(self, value: Decimal) -> Stored:
        return int(value.scaleb(DECIMAL_PLACES))

    def load(self, stored: Stored) -> Decimal:
        return _tidy(Decimal(stored).scaleb(-DECIMAL_PLACES))

    def show(self, value: Decimal) -> str:
        return plain(value, grouped=True)

    def tell(self, value: Decimal, *, language: str, is_sms: bool = False) -> str:
        return localised.number(value, language=language, is_sms=is_sms)

    def write(self, value: Decimal) -> str:
        return plain(value)


@dataclass(frozen=True, slots=True)
class MoneyType(ValueType):
    kind = FieldKind.MONEY
    currency: str

    def _read(self, text: str, reading: Reading) -> Decimal:
        number = _within(read_number(self._without_currency(text), reading), MAX_DECIMAL)
        places = currencies.places(self.currency)
        if _places(number) > places:
            most = f"{places} decimal places" if places else "no decimal places"
            raise ValueError(f"{quoted(text)} has too many decimal places: {self.currency} has {most}.")
        return _tidy(number)

    def _without_currency(self, text: str) -> str:
        """The number alone. Raises ValueError where it is of another currency."""
        sign, rest = ("", text) if text[:1] not in "+-−" else (text[0], text[1:].lstrip())
        for name in currencies.names(self.currency):
            if rest.casefold().startswith(name):
                rest = rest[len(name) :].lstrip()
                break
            if rest.casefold().endswith(name):
                rest = rest[: -len(name)].rstrip()
                break
        if rest[:1] in "+-−" and sign:
            raise ValueError(f"{quoted(text)} is not an amount of money.")
        if re.search(r"[^\W\d_]|[$¢-¥₠-⃀]", rest) and not _POWER.fullmatch(rest):
            raise ValueError(f"{quoted(text)} is not an amount in {self.currency}. Write the number alone.")
        return sign + rest

    def store(self, value: Decimal) -> Stored:
        return int(value.scaleb(MONEY_PLACES))

    def load(self, stored: Stored) -> Decimal:
        return _tidy(Decimal(stored).scaleb(-MONEY_PLACES))

    def show(self, value: Decimal) -> str:
        return f"{value:,.{currencies.places(self.currency)}f} {self.currency}"

    def tell(self, value: Decimal, *, language: str, is_sms: bool = False) -> str:
        return localised.money(value, currency=self.currency, language=language, is_sms=is_sms)

    def write(self, value: Decimal) -> str:
        return f"{value:.{currencies.places(self.currency)}f}"


def _within(number: Decimal, largest: int) -> Decimal:
    if abs(number) > largest:
        raise ValueError(f"This number is too large: the largest is {largest:,}, and the smallest -{largest:,}.")
    return number


def _places(number: Decimal) -> int:
    return max(0, -int(number.normalize().as_tuple().exponent))


def _tidy(number: Decimal) -> Decimal:
    """One form of each value: 1.50 and 1.5 are the same, and so are nought and minus nought."""
    return Decimal(plain(number))
