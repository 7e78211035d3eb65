"""Numbers, amounts of money, dates and yes or no as clients read them: in their language, as Django knows it.

An SMS has no letter that would make it UCS-2, which has 70 characters to a segment instead of 160: plain blanks between
thousands, and a currency's code where its sign is not in GSM-7.
"""

from datetime import date
from decimal import Decimal

from django.template.defaultfilters import yesno
from django.utils import translation
from django.utils.formats import date_format, number_format

from notifier.messages import sms_segments
from notifier.values import currencies

#: What stands between a number and its currency; in a line of text they are never parted.
_BLANK = "\u00a0"
#: As languages have them between thousands, and what an SMS has in their place.
_PLAINER = str.maketrans({"\u00a0": " ", "\u2007": " ", "\u2009": " ", "\u202f": " ", "’": "'", "−": "-"})
#: Languages that write the sign of a currency before the amount: £400,000. All others write 400.000 £.
_SIGN_FIRST = frozenset({"en", "ga", "cy", "ja", "zh", "ko", "hi", "he", "th"})


def number(value: int | Decimal, *, language: str, places: int | None = None, is_sms: bool = False) -> str:
    """`places`: so many decimal places; None: those that it has."""
    with translation.override(language):
        text = number_format(value, decimal_pos=places, use_l10n=True, force_grouping=True)
    return _plainer(text) if is_sms else text


def money(value: Decimal, *, currency: str, language: str, is_sms: bool = False) -> str:
    """Without decimal places where it is a whole amount: £400,000, and £12.50."""
    whole = value == value.to_integral_value()
    amount = number(abs(value), language=language, places=0 if whole else currencies.places(currency), is_sms=is_sms)
    sign, minus = currencies.sign(currency), "-" if value < 0 else ""
    if is_sms and not sms_segments.GSM.issuperset(sign):
        sign = ""
    blank = " " if is_sms else _BLANK
    if language.partition("-")[0] in _SIGN_FIRST:
        return f"{minus}{sign}{amount}" if sign else f"{minus}{currency}{blank}{amount}"
    return f"{minus}{amount}{blank}{sign or currency}"


def day(value: date, *, language: str, is_sms: bool = False) -> str:
    with translation.override(language):
        text = date_format(value, "DATE_FORMAT", use_l10n=True)
    return _plainer(text) if is_sms else text


def yes_or_no(value: bool, *, language: str) -> str:
    """In small letters, as it stands inside of a sentence."""
    with translation.override(language):
        return str(yesno(value)).lower()


def _plainer(text: str) -> str:
    return text.translate(_PLAINER)
