"""What clients read of numbers, amounts, dates and yes or no."""

from datetime import date
from decimal import Decimal

import pytest

from notifier.messages import sms_segments
from notifier.values import currencies, localised

LANGUAGES = ["en", "de", "fr", "es"]


@pytest.mark.parametrize(
    ("language", "whole", "amount", "day", "words"),
    [
        ("en", "1,234,567", "£400,000", "31 Dec 2026", "yes no"),
        ("de", "1.234.567", "400.000\u00a0£", "31. Dezember 2026", "ja nein"),
        ("fr", "1\u00a0234\u00a0567", "400\u00a0000\u00a0£", "31 décembre 2026", "oui non"),
        ("es", "1\u00a0234\u00a0567", "400\u00a0000\u00a0£", "31 de diciembre de 2026", "sí no"),
    ],
)
def test_each_language_writes_them_its_own_way(language: str, whole: str, amount: str, day: str, words: str) -> None:
    assert localised.number(1234567, language=language) == whole
    assert localised.money(Decimal(400_000), currency="GBP", language=language) == amount
    assert localised.day(date(2026, 12, 31), language=language) == day
    assert " ".join(localised.yes_or_no(one, language=language) for one in (True, False)) == words


@pytest.mark.parametrize(
    ("value", "currency", "english", "german"),
    [
        ("12.5", "EUR", "€12.50", "12,50 €"),
        ("-12.5", "EUR", "-€12.50", "-12,50 €"),
        ("1250", "JPY", "¥1,250", "1.250 ¥"),
        ("0.125", "KWD", "KWD 0.125", "0,125 KWD"),
        ("1250", "CHF", "CHF 1,250", "1.250 CHF"),
        # A dollar is whose? Only that of the United States has its sign alone.
        ("5", "AUD", "AUD 5", "5 AUD"),
        ("5", "USD", "$5", "5 $"),
        # Their signs would make the SMS UCS-2.
        ("5", "INR", "INR 5", "5 INR"),
        ("5", "PLN", "PLN 5", "5 PLN"),
    ],
)
def test_an_amount_in_an_sms_has_its_sign_where_gsm_7_has_it(
    value: str, currency: str, english: str, german: str
) -> None:
    told = [
        localised.money(Decimal(value), currency=currency, language=language, is_sms=True) for language in ("en", "de")
    ]

    assert told == [english, german]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_number_or_amount_makes_an_sms_ucs_2(language: str) -> None:
    for code in currencies.CODES:
        told = localised.money(Decimal("-1234567.25"), currency=code, language=language, is_sms=True)
        assert sms_segments.beyond_gsm(told) == [], told
    assert sms_segments.beyond_gsm(localised.number(Decimal("-1234567.25"), language=language, is_sms=True)) == []


def test_in_an_e_mail_no_line_ends_inside_of_an_amount() -> None:
    assert localised.money(Decimal(5), currency="INR", language="en") == "₹5"
    for language in LANGUAGES:
        assert " " not in localised.money(Decimal(1_234_567), currency="CHF", language=language)
