import random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from notifier.messages import placeholders, sms_segments

GSM, UCS = "GSM-7", "UCS-2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (GSM, 0, 0)),
        ("a", (GSM, 1, 1)),
        ("a" * 160, (GSM, 160, 1)),
        ("a" * 161, (GSM, 161, 2)),
        ("a" * 306, (GSM, 306, 2)),
        ("a" * 307, (GSM, 307, 3)),
        ("ÄÖÜäöüß@£$¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæÉ¤¡§¿Ññà\n\r", (GSM, 43, 1)),
        ("€", (GSM, 2, 1)),
        ("€" * 80, (GSM, 160, 1)),
        ("€" * 81, (GSM, 162, 2)),
        ("^{}\\[~]|\f", (GSM, 18, 1)),
        # 152 and an escaped one: its two septets don't fit in the 153rd place, so it opens the next part.
        ("a" * 152 + "€" + "a" * 151, (GSM, 305, 2)),
        ("a" * 152 + "€" + "a" * 152, (GSM, 306, 3)),
        ("a" * 151 + "€" + "a" * 153, (GSM, 306, 2)),
        ("ç", (UCS, 1, 1)),
        ("я" * 70, (UCS, 70, 1)),
        ("я" * 71, (UCS, 71, 2)),
        ("я" * 134, (UCS, 134, 2)),
        ("я" * 135, (UCS, 135, 3)),
        ("a" * 69 + "…", (UCS, 70, 1)),
        ("a" * 70 + "…", (UCS, 71, 2)),
        ("😀", (UCS, 2, 1)),
        ("😀" * 35, (UCS, 70, 1)),
        ("😀" * 36, (UCS, 72, 2)),
        # 66 and a surrogate pair: the pair goes whole into the next part.
        ("я" * 66 + "😀" + "я" * 65, (UCS, 133, 2)),
        ("я" * 66 + "😀" + "я" * 66, (UCS, 134, 3)),
        ("я" * 65 + "😀" + "я" * 67, (UCS, 134, 2)),
    ],
)
def test_known_texts_have_their_known_sizes(text: str, expected: tuple[str, int, int]) -> None:
    size = sms_segments.measure(text)

    assert (size.encoding, size.units, size.segments) == expected


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=700))
def test_the_size_agrees_with_cutting_the_text_into_parts(text: str) -> None:
    size = sms_segments.measure(text)

    if size.encoding == UCS:
        assert size.units == len(text.encode("utf-16-be")) // 2
    alone, part = (160, 153) if size.encoding == GSM else (70, 67)
    if size.units <= alone:
        assert size.segments == bool(text)
    else:
        # At least as many as without whole characters to keep, and at most one unit lost a part.
        assert -(-size.units // part) <= size.segments <= -(-size.units // (part - 1))


def test_each_part_holds_whole_characters_only() -> None:
    dice = random.Random(1)
    for _ in range(300):
        text = "".join(dice.choice("a€" if dice.random() < 0.9 else "^b") for _ in range(dice.randint(161, 500)))
        parts, used = 1, 0
        for char in text:
            width = 2 if char in "€^" else 1
            parts, used = (parts + 1, width) if used + width > 153 else (parts, used + width)
        assert sms_segments.measure(text).segments == (parts if sms_segments.measure(text).units > 160 else 1)


def test_the_room_is_that_of_the_segments_that_are_begun() -> None:
    rooms = [sms_segments.measure(text).room for text in ("", "a" * 160, "a" * 161, "я" * 70, "я" * 71, "я" * 135)]

    assert rooms == [160, 160, 306, 70, 134, 201]


@given(text=st.text(max_size=300))
def test_what_is_beyond_gsm_is_what_makes_it_ucs(text: str) -> None:
    beyond = sms_segments.beyond_gsm(text)

    assert bool(beyond) == (sms_segments.measure(text).encoding == UCS)
    assert len(set(beyond)) == len(beyond)
    assert all(sms_segments.measure(char).encoding == UCS for char in beyond)
    assert sms_segments.measure("".join(char for char in text if char not in beyond)).encoding == GSM


@pytest.mark.parametrize(
    ("char", "words"),
    [
        ("…", "“…” (horizontal ellipsis; use ... instead)"),
        ("ł", "“ł” (latin small letter l with stroke)"),
        ("\u00a0", "no-break space; use a space instead"),
        ("\u200b", "zero width space"),
        ("\u0301", "combining acute accent"),
        ("\x07", "u+0007"),
    ],
)
def test_a_character_is_told_by_its_name_and_what_to_write_instead(char: str, words: str) -> None:
    assert sms_segments.describe(char) == words


@given(char=st.sampled_from("‘’‚‹›“”„«»‐‑–—−…•\u00a0\u2007\u2009\u202f"))
def test_what_to_write_instead_is_within_gsm(char: str) -> None:
    said = sms_segments.describe(char)

    instead = said.partition("; use ")[2].removesuffix(")").removesuffix(" instead")
    assert instead
    assert sms_segments.beyond_gsm(instead) == []
    assert sms_segments.beyond_gsm(char) == [char]


PIECES = st.lists(
    st.sampled_from(
        [
            "{{ name }}",
            "{{ first_name }}",
            '{{ last_name | "dear ł€" }}',
            "{{ topic }}",
            "€",
            "ł",
            "😀",
            "word ",
            "a" * 60,
            "b" * 153,
        ]
    )
    | st.text(max_size=20),
    max_size=8,
).map("".join)
BASIC = "abcXYZ äöüÄÖÜñé'-.0"


def of(name: str, parts: tuple[bool, bool]) -> dict[str, str]:
    """The values of a client whose parts are as long as the whole name, or missing."""
    first, last = (name if is_known else "" for is_known in parts)
    return placeholders.values(name=name, first_name=first, last_name=last, topic="Listings")


PARTS = st.tuples(st.booleans(), st.booleans())


def is_sent(text: str, values: dict[str, str]) -> bool:
    return all(values[key] for key in placeholders.needed(text))


@given(text=PIECES, name=st.text(alphabet=BASIC, min_size=1, max_size=40), parts=PARTS)
def test_no_name_within_gsm_takes_more_than_what_is_said(text: str, name: str, parts: tuple[bool, bool]) -> None:
    within, beyond = sms_segments.upper_bounds(text, longest_name=len(name), topic="Listings")

    values = of(name, parts)
    assume(is_sent(text, values))
    size = sms_segments.measure(placeholders.render(text, values))

    assert size.segments <= within.segments <= beyond.segments


@given(text=PIECES, name=st.text(alphabet=BASIC + "łя’ 中€{😀🏡", min_size=1, max_size=40), parts=PARTS)
@example(text="{{ name }}" + "a" * 70, name="ł", parts=(True, True))
@example(text="{{ first_name }}" + "a" * 152, name="€", parts=(True, True))
@example(text="{{ name }}" + "a" * 45, name="😀" * 25, parts=(True, True))
def test_no_name_at_all_takes_more_than_what_is_said(text: str, name: str, parts: tuple[bool, bool]) -> None:
    _, beyond = sms_segments.upper_bounds(text, longest_name=len(name), topic="Listings")

    values = of(name, parts)
    assume(is_sent(text, values))
    size = sms_segments.measure(placeholders.render(text, values))

    assert size.segments <= beyond.segments
