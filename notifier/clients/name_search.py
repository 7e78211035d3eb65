"""How clients are found by name: without accents, capitals or punctuation, and alike on both engines.

A name is folded letter by letter; what is typed is folded likewise, and each word of it has to be in the name. The
rule stands three times, because each place has to know it by itself: here for what is typed; as a function in
PostgreSQL, whose trigram index answers; and as a table of letters in SQLite, whose triggers keep a full-text index.
The migration 0018 makes both, and a test compares them for all letters: whoever changes the rule writes another one.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import F, Lookup, Q

#: Before each word. With two of them a trigram holds the beginning of a word, even of one letter.
GAP = "  "
#: Shorter words have no trigram of their own, so they are looked for where a word begins.
ANYWHERE = 3
#: Letters of a name. Whatever is typed beyond is not looked at.
LONGEST = 200
#: Apostrophes, and what nobody sees: names are written with them and without.
DROPPED = frozenset("'`´ʹʻʼʽʾʿˈ‘’‛′׳״\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
#: Letters that Unicode takes for whole, and that people type without the stroke or the hook, or as two.
PLAIN = {
    pair[0]: pair[1:]
    for pair in (
        "æae œoe ßss þth øo đd ðd ħh ıi łl ŋn ŧt ĸk əe ɛe ɔo ςσ ȷj ƀb ɓb ƈc ȼc ɖd ɗd ƌd ɇe ƒf ǥg ɠg ɨi ɉj ƙk ƚl ɲn ƞn "
        "ɵo ƥp ɍr ƫt ƭt ʈt ⱦt ʉu ʋv ɏy ƴy ƶz ȥz ⱥa"
    ).split()
}
#: Capitals of later alphabets are left as they are: they are in no name that a keyboard types.
CAPITALS_BEFORE = "\u0590"
#: Punctuation beside that of ASCII; whatever else is no letter stands where nobody looks for it.
_BETWEEN_WORDS = re.compile("[\x00-/:-@\\[-`{-\u00bf\u058a\u05be\u2000-\u206f\u3000-\u3004\u3008-\u303f\u30fb]")
#: Characters of Chinese and Japanese, of which each is a word: between words there is no blank.
_A_WORD_EACH = re.compile(
    "[\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
)


def folded(text: str) -> str:
    """As both engines keep a name: small letters and digits, with a gap before each word."""
    return GAP + "".join(map(_letter, text))


@lru_cache(maxsize=4096)
def _letter(char: str) -> str:
    """What becomes of it, whatever stands beside it."""
    if char in DROPPED:
        return ""
    return "".join(map(_part, unicodedata.normalize("NFKD", char)))


def _part(char: str) -> str:
    if unicodedata.combining(char) or char in DROPPED:
        return ""
    if char < CAPITALS_BEFORE or char == "ẞ":
        char = char.lower()
    if _BETWEEN_WORDS.match(char):
        return GAP
    return GAP + char if _A_WORD_EACH.match(char) else PLAIN.get(char, char)


def words(typed: str) -> list[str]:
    """The words that a name must have, folded; none where nothing of it is a letter or a digit."""
    return list(dict.fromkeys(folded(typed[:LONGEST]).split()))


def patterns(typed: str) -> list[str]:
    """For LIKE, one for each word: one of three letters and more may be a part of one, a shorter one has to begin one.

    Each has a trigram. SQLite 3.40 dies where one of several has none: a segmentation fault in its full-text index.
    """
    return [f"%{word}%" if len(word) >= ANYWHERE else f"%{GAP}{word}%" for word in words(typed)]


def called(typed: str) -> Q | None:
    """The clients with all these words in their names, in any order; None where there are no words."""
    if not (wanted := patterns(typed)):
        return None
    if connection.vendor == "postgresql":
        return Q(*(_Folded(F("name"), pattern) for pattern in wanted))
    return Q(_Found(F("pk"), wanted))


class _Folded(Lookup):
    """PostgreSQL: by the expression that the trigram index is made of. A folded word has no wildcards."""

    lookup_name = "folded"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"notifier_folded_name({column}) LIKE %s", (*parameters, self.rhs)


class _Found(Lookup):
    """SQLite: by the full-text index, which looks the trigrams of a pattern up."""

    lookup_name = "found"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        conditions = " AND ".join(["folded LIKE %s"] * len(self.rhs))
        return f"{column} IN (SELECT rowid FROM client_name_search WHERE {conditions})", (*parameters, *self.rhs)  # noqa: S608
