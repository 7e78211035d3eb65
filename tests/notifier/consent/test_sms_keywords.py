"""Keywords are known however they are dressed; a sentence with one in it is none."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.consent import sms_keywords
from notifier.consent.sms_keywords import KEYWORDS, Wish

#: What may stand around a word: blanks, punctuation, symbols, and marks that nobody sees; no letter and no digit.
AROUND = st.text(st.characters(categories=["P", "S", "Z", "Cc", "Cf"]), max_size=5).filter(
    # Some symbols, such as ™ and ㎏, are letters once they are written plainly.
    lambda text: all(unicodedata.category(char)[0] not in "LNM" for char in unicodedata.normalize("NFKC", text))
)
FULL_WIDTH = {ord(char): ord(char) + 0xFEE0 for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}


@st.composite
def dressed(draw: st.DrawFn, word: str) -> str:
    """In any capitals, of any width, with anything around it."""
    text = "".join(draw(st.sampled_from([char.upper(), char.lower()])) for char in word)
    wide = "".join(draw(st.sampled_from([char, char.translate(FULL_WIDTH)])) for char in text)
    return draw(AROUND) + wide + draw(AROUND)


@pytest.mark.parametrize(("words", "wish"), [
    ("STOP,STOPALL,UNSUBSCRIBE,CANCEL,END,QUIT,REVOKE,OPTOUT,OPT-OUT,OPT OUT,ARRET,ARRÊT,BAJA", Wish.STOP),
    ("START,YES,UNSTOP", Wish.START),
    ("HELP,INFO,AIDE,AYUDA,HILFE", Wish.HELP),
])  # fmt: skip
def test_these_are_the_words(words: str, wish: Wish) -> None:
    assert {word for word, meaning in KEYWORDS.items() if meaning is wish} == set(words.split(","))


@given(data=st.data(), word=st.sampled_from(sorted(KEYWORDS)))
def test_a_keyword_is_known_however_it_is_dressed(data: st.DataObject, word: str) -> None:
    assert sms_keywords.wish(data.draw(dressed(word))) is KEYWORDS[word]


@pytest.mark.parametrize(
    "text",
    ["Stop", " stop. ", "STOP!!!", "“Stop”", "stop 🛑", "\u200eSTOP\u200f", "ＳＴＯＰ", "¡stop!", "STOP\r\n", "*stop*"],
)
def test_some_of_those_in_plain(text: str) -> None:
    assert sms_keywords.wish(text) is Wish.STOP


@given(
    word=st.sampled_from(sorted(KEYWORDS)),
    more=st.text("aeinopstuyAEINOPSTUY0159äßéжあ字", min_size=1),
    blank=st.sampled_from([" ", ", ", "\n", "-", "’", " 🙂 "]),
)
def test_with_another_word_beside_it_it_is_none(word: str, more: str, blank: str) -> None:
    assert sms_keywords.wish(f"{more}{blank}{word}") is None
    assert sms_keywords.wish(f"{word}{blank}{more}") is None


@pytest.mark.parametrize(
    "text",
    [
        *("please stop", "stop it", "STOP ALL", "st op", "don't stop", "stopp", "yes please", "END.START", "help me"),
        *("", " ", "?", "🛑", "st\u0336op", "ŞTOP", "сtop", "STÓP", "0", "stop2"),
    ],
)
def test_what_is_no_keyword(text: str) -> None:
    assert sms_keywords.wish(text) is None


@given(st.text())
def test_whatever_comes_only_the_letters_of_a_keyword_make_one(text: str) -> None:
    plain = unicodedata.normalize("NFKC", text)
    letters = "".join(char for char in plain if unicodedata.category(char)[0] in "LN")

    if sms_keywords.wish(text):
        assert letters.upper() in KEYWORDS


@pytest.mark.parametrize(("text", "is_local"), [("Arrêt!", True), ("baja", True), ("aide", True), ("Stop", False)])
def test_local_words_are_ours_alone_to_answer(text: str, is_local: bool) -> None:
    assert sms_keywords.is_local(text) == is_local
