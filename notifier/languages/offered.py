"""The languages that clients may have, as `CLIENT_LANGUAGES` lists them: what each is called, and how it is recognised.

The first is the default: of clients for whom no language is on record, and of those whose language is no longer among
them.
"""

import re
import unicodedata
from functools import lru_cache

from django.conf import settings
from django.conf.locale import LANG_INFO

#: ISO 639-2, which some programs write; Django knows two letters.
_THREE_LETTERS = {
    word: code
    for code, words in {
        "cs": "ces cze",
        "da": "dan",
        "de": "deu ger",
        "en": "eng",
        "es": "spa",
        "fi": "fin",
        "fr": "fra fre",
        "it": "ita",
        "nl": "nld dut",
        "pl": "pol",
        "pt": "por",
        "sv": "swe",
    }.items()
    for word in words.split()
}
#: What people call it besides.
_OTHER_NAMES = {"castellano": "es", "castilian": "es"}
#: A language, and its country or script: de-AT, de_AT, zh-Hant.
_LOCALE = re.compile(r"([a-z]{2,3})[-_][a-z0-9]{2,8}(?:[.@].*)?", re.ASCII | re.IGNORECASE)
MAX_LETTERS = 40


def codes() -> tuple[str, ...]:
    """The default first."""
    return tuple(settings.CLIENT_LANGUAGES)


def default() -> str:
    return codes()[0]


def of(language: str | None) -> str:
    """The language in which such a client is written to."""
    return language if language in codes() else default()


def name(code: str) -> str:
    """For staff, in English: German."""
    return str(LANG_INFO[code]["name"]) if code in LANG_INFO else code


def own_name(code: str) -> str:
    """As its speakers call it, with a capital: Deutsch."""
    local = str(LANG_INFO[code]["name_local"]) if code in LANG_INFO else code
    return local[:1].upper() + local[1:]


def choices() -> list[tuple[str, str]]:
    return [(code, name(code)) for code in codes()]


def read(text: str) -> str:
    """The code of the language that `text` names, by its code, its English or its own name.

    Raises ValueError with what is wrong.
    """
    found = _names(codes()).get(_plain(text)) if len(text) <= MAX_LETTERS else None
    if found is None and (locale := _LOCALE.fullmatch(text.strip())):
        found = _names(codes()).get(locale[1].lower())
    if found is None:
        shown = text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 1]}…"
        raise ValueError(f"“{shown}” is not one of the languages here: {', '.join(map(name, codes()))}.")
    return found


@lru_cache(maxsize=8)
def _names(offered: tuple[str, ...]) -> dict[str, str]:
    words = {_plain(word): code for code in offered for word in (code, name(code), own_name(code))}
    others = {word: code for word, code in {**_THREE_LETTERS, **_OTHER_NAMES}.items() if code in offered}
    return others | words


def _plain(text: str) -> str:
    """Without accents and capitals."""
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
