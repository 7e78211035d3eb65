"""Currencies by ISO 4217: their codes, how many decimal places each has, and the signs that people write."""

#: Decimal places, where there are not two.
_PLACES = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
CODES = tuple(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY "
    "COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR "
    "ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK "
    "MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF "
    "SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS "
    "VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW".split()
)
_SIGNS = {
    "€": ("EUR",),
    "$": ("USD", "AUD", "CAD", "HKD", "MXN", "NZD", "SGD", "TWD"),
    "us$": ("USD",),
    "£": ("GBP",),
    "¥": ("JPY", "CNY"),
    "₹": ("INR",),
    "₩": ("KRW",),
    "₪": ("ILS",),
    "₴": ("UAH",),
    "₺": ("TRY",),
    "₽": ("RUB",),
    "₦": ("NGN",),
    "₫": ("VND",),
    "฿": ("THB",),
    "r$": ("BRL",),
    "zł": ("PLN",),
    "kč": ("CZK",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "kr.": ("SEK", "NOK", "DKK", "ISK"),
    "fr.": ("CHF",),
    "sfr.": ("CHF",),
}


#: Signs that mean this currency and no other to whoever reads them, wherever they live.
_OWN_SIGNS = {
    "EUR": "€",
    "USD": "$",
    "GBP": "£",
    "JPY": "¥",
    "INR": "₹",
    "KRW": "₩",
    "ILS": "₪",
    "UAH": "₴",
    "TRY": "₺",
    "RUB": "₽",
    "NGN": "₦",
    "VND": "₫",
    "THB": "฿",
    "PLN": "zł",
    "CZK": "Kč",
}


def sign(code: str) -> str:
    """The sign that stands for it in messages; empty where only its code can't be mistaken."""
    return _OWN_SIGNS.get(code, "")


def places(code: str) -> int:
    return _PLACES.get(code, 2)


def names(code: str) -> tuple[str, ...]:
    """How people write it, in small letters: the code, and its signs. The longest first."""
    signs = [sign for sign, codes in _SIGNS.items() if code in codes]
    return tuple(sorted([code.casefold(), *signs], key=len, reverse=True))
