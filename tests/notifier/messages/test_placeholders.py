import random
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.messages import placeholders

REPLACEMENTS = placeholders.values(name="Ann Example", topic="Listings")


# --- Placeholders -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("Hello {{ name }}, {{topic}}!", "Hello Ann Example, Listings!"),
        ("{{  first_name\n}}{{ first_name }}", "AnnAnn"),
        ("nothing to replace", "nothing to replace"),
        ("", ""),
        ("{{ unknown }} {{ name.title }} {{ Name }} {{ }}", "{{ unknown }} {{ name.title }} {{ Name }} {{ }}"),
        ("{ name } {% name %} {{ name", "{ name } {% name %} {{ name"),
        ("{{{ name }}}", "{Ann Example}"),
        ("{{ {{ name }} }}", "{{ Ann Example }}"),
        ("{{ na{{ name }}me }}", "{{ naAnn Exampleme }}"),
    ],
)
def test_the_placeholders_of_the_list_are_replaced_and_nothing_else(text: str, rendered: str) -> None:
    assert placeholders.render(text, REPLACEMENTS) == rendered


@given(name=st.text() | st.sampled_from(["{{ topic }}", "{{ name }}", "{{", "}}", r"\1", "{% if %}"]))
def test_a_value_is_put_in_as_it_is_and_never_read_again(name: str) -> None:
    rendered = placeholders.render("<{{ name }}|{{ topic }}>", {"name": name, "topic": "Listings"})

    assert rendered == f"<{name}|Listings>"


@given(text=st.text())
def test_a_text_without_braces_stays_as_it_is(text: str) -> None:
    plain = text.replace("{", "(").replace("}", ")")

    assert placeholders.render(plain, REPLACEMENTS) == plain
    assert placeholders.mistakes(plain) == []


@given(text=st.text(alphabet="{} \nnamex%", max_size=40))
def test_what_is_found_right_leaves_no_braces_to_the_reader(text: str) -> None:
    if not placeholders.mistakes(text):
        rendered = placeholders.render(text, dict.fromkeys(placeholders.PLACEHOLDERS, ""))
        assert "{{" not in rendered
        assert "{%" not in rendered


def test_a_text_of_blanks_and_open_braces_is_read_quickly() -> None:
    text = ("{{" + " " * 5_000) * 20

    began = time.process_time()
    placeholders.render(text, REPLACEMENTS)
    placeholders.mistakes(text)

    # By the processor's time, whatever else the machine does; minutes while blanks could be matched in three places.
    assert time.process_time() - began < 30


def test_every_placeholder_of_the_list_has_a_value() -> None:
    assert REPLACEMENTS.keys() == placeholders.PLACEHOLDERS.keys()


@pytest.mark.parametrize(
    ("name", "first"), [("Ann Example", "Ann"), ("Cher", "Cher"), ("  Zoë  van X ", "Zoë"), ("", ""), ("  ", "  ")]
)
def test_the_first_name_is_the_first_word(name: str, first: str) -> None:
    assert placeholders.values(name=name, topic="")["first_name"] == first


@pytest.mark.parametrize(
    "text", ["", "Hello", "{{ name }} {{topic}} {{ first_name }}", "{ name }", "100 % {", "{ { name } }"]
)
def test_what_staff_may_write_is_not_complained_of(text: str) -> None:
    assert placeholders.mistakes(text) == []


def test_an_unknown_placeholder_is_named_with_those_that_there_are() -> None:
    (said,) = placeholders.mistakes("{{ nmae }} and {{ nmae }}")

    assert said == ("There is no placeholder {{ nmae }}. Use one of {{ name }}, {{ first_name }}, {{ topic }}.")


def test_each_unknown_placeholder_has_a_sentence() -> None:
    assert len(placeholders.mistakes("{{ a }} {{ b }} {{ name }} {{ a }}")) == 2


@pytest.mark.parametrize(
    "text", ["{{ name", "name }}", "{{ name }} }}", "{% if name %}", "{{ {{ name }} }}", "{{ name } }"]
)
def test_an_unclosed_placeholder_or_a_template_tag_is_refused(text: str) -> None:
    (said,) = placeholders.mistakes(text)

    assert said.startswith("A placeholder is not closed")


# --- The last line of an SMS ------------------------------------------------------------------------------------------
STOP = "Reply STOP to end"


@pytest.mark.parametrize(
    ("text", "line", "sent"),
    [
        ("Hi {{ first_name }}", STOP, f"Hi Ann\n{STOP}"),
        ("Hi\n", STOP, f"Hi\n{STOP}"),
        ("Hi {{ first_name }}", "", "Hi Ann"),
        (f"Hi\n{STOP}", STOP, f"Hi\n{STOP}"),
        (f"Hi. {STOP} ", STOP, f"Hi. {STOP} "),
        (f"{STOP}!", STOP, f"{STOP}!\n{STOP}"),
        ("Hi", "{{ name }}: STOP", "Hi\n{{ name }}: STOP"),
        ("", STOP, ""),
        (" \n", STOP, " \n"),
    ],
)
def test_an_sms_ends_with_the_line_that_says_how_to_end_them(
    settings: Settings, text: str, line: str, sent: str
) -> None:
    settings.SMS_STOP_LINE = line

    assert placeholders.sms(text, REPLACEMENTS) == sent


def test_how_it_would_be_with_another_line_can_be_asked(settings: Settings) -> None:
    settings.SMS_STOP_LINE = STOP

    assert placeholders.sms("Hi", REPLACEMENTS, stop_line="") == "Hi"
    assert placeholders.sms("Hi", REPLACEMENTS, stop_line="STOP ends it") == "Hi\nSTOP ends it"


# --- SMS segments: 3GPP TS 23.038 and 23.040 --------------------------------------------------------------------------
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
    size = placeholders.sms_size(text)

    assert (size.encoding, size.units, size.segments) == expected


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=700))
def test_the_size_agrees_with_cutting_the_text_into_parts(text: str) -> None:
    size = placeholders.sms_size(text)

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
        assert placeholders.sms_size(text).segments == (parts if placeholders.sms_size(text).units > 160 else 1)


def test_the_room_is_that_of_the_segments_that_are_begun() -> None:
    rooms = [placeholders.sms_size(text).room for text in ("", "a" * 160, "a" * 161, "я" * 70, "я" * 71, "я" * 135)]

    assert rooms == [160, 160, 306, 70, 134, 201]


@given(text=st.text(max_size=300))
def test_what_is_beyond_gsm_is_what_makes_it_ucs(text: str) -> None:
    beyond = placeholders.beyond_gsm(text)

    assert bool(beyond) == (placeholders.sms_size(text).encoding == UCS)
    assert len(set(beyond)) == len(beyond)
    assert all(placeholders.sms_size(char).encoding == UCS for char in beyond)
    assert placeholders.sms_size("".join(char for char in text if char not in beyond)).encoding == GSM


@pytest.mark.parametrize(
    ("char", "words"),
    [
        ("…", "“…” (horizontal ellipsis; write ... instead)"),
        ("ł", "“ł” (latin small letter l with stroke)"),
        ("\u00a0", "no-break space; write a blank instead"),
        ("\u200b", "zero width space"),
        ("\u0301", "combining acute accent"),
        ("\x07", "u+0007"),
    ],
)
def test_a_character_is_told_by_its_name_and_what_to_write_instead(char: str, words: str) -> None:
    assert placeholders.in_words(char) == words


@given(char=st.sampled_from("‘’‚‹›“”„«»‐‑–—−…•\u00a0\u2007\u2009\u202f"))
def test_what_to_write_instead_is_within_gsm(char: str) -> None:
    said = placeholders.in_words(char)

    instead = said.partition("write ")[2].removesuffix(")").removesuffix(" instead")
    assert instead
    assert placeholders.beyond_gsm(instead) == []
    assert placeholders.beyond_gsm(char) == [char]


PIECES = st.lists(
    st.sampled_from(["{{ name }}", "{{ first_name }}", "{{ topic }}", "€", "ł", "😀", "word ", "a" * 60, "b" * 153])
    | st.text(max_size=20),
    max_size=8,
).map("".join)
BASIC = "abcXYZ äöüÄÖÜñé'-.0"


@given(text=PIECES, name=st.text(alphabet=BASIC, min_size=1, max_size=40))
def test_no_name_within_gsm_takes_more_than_what_is_said(text: str, name: str) -> None:
    within, beyond = placeholders.sms_at_most(text, longest_name=len(name), topic="Listings")

    size = placeholders.sms_size(placeholders.render(text, placeholders.values(name=name, topic="Listings")))

    assert size.segments <= within.segments <= beyond.segments


@given(text=PIECES, name=st.text(alphabet=BASIC + "łя’ 中€{", min_size=1, max_size=40))
@example(text="{{ name }}" + "a" * 70, name="ł")
@example(text="{{ first_name }}" + "a" * 152, name="€")
def test_no_name_at_all_takes_more_than_what_is_said(text: str, name: str) -> None:
    _, beyond = placeholders.sms_at_most(text, longest_name=len(name), topic="Listings")

    size = placeholders.sms_size(placeholders.render(text, placeholders.values(name=name, topic="Listings")))

    assert size.segments <= beyond.segments


@pytest.mark.parametrize(
    ("text", "blank"),
    [("", True), (" \n\t", True), ("\u200b\ufeff", True), ("\u2800\u3164", True), (".", False), ("😀", False)],
)
def test_blank_is_what_nobody_would_see(text: str, blank: bool) -> None:
    assert placeholders.is_blank(text) == blank


def test_a_text_is_tidied_of_what_browsers_do_to_its_lines() -> None:
    assert placeholders.tidied(" a\r\nb\rc\n\n") == "a\nb\nc"
