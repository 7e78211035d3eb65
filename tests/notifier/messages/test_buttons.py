import re
from functools import partial
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.messages import email, markdown, placeholders
from tests.support.checks import growth

URL = "https://a.example/book?a=1&b=2"
BUTTON = f"[Book now]({URL}){{.button}}"
LINK = '<p><a class="button" href="https://a.example/book?a=1&amp;b=2">Book now</a></p>'


class Nesting(HTMLParser):
    """Fails where a table, or a part of one, is closed by anything but its own end."""

    WATCHED = {"table", "tr", "td", "a", "p", "ul", "ol", "li", "blockquote"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.WATCHED:
            assert not (tag == "table" and "p" in self.open)
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.WATCHED:
            assert self.open.pop() == tag


def html_of(body: str) -> str:
    return email.render(subject="s", body=body).html_for(placeholders.values(name="Ann", topic="Homes"), "token")


# --- Where one is -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [BUTTON, f"  {BUTTON}\t", f"\n\n{BUTTON}\n\n", f"[Book now](<{URL}>){{.button}}", f"[Book\tnow]({URL}){{.button}}"],
)
def test_a_link_alone_on_its_line_with_the_mark_is_a_button(text: str) -> None:
    written = markdown.write(text)

    assert written.html.replace("\t", " ") == LINK
    assert written.text.replace("\t", " ") == f"Book now: {URL}"
    assert (markdown.mistakes(text), markdown.warnings(text)) == ([], [])


def test_it_stands_alone_whatever_is_above_and_below() -> None:
    written = markdown.write(f"Dear Ann,\n{BUTTON}\nThanks\n> said\n{BUTTON}\n- one\n- {BUTTON}\n{BUTTON}")

    assert written.html.count(LINK) == 4
    assert written.text == (
        f"Dear Ann,\n\nBook now: {URL}\n\nThanks\n\n> said\n\nBook now: {URL}\n\n"
        f"- one\n- Book now: {URL}\n\nBook now: {URL}"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"Now: {BUTTON}",
        f"{BUTTON} now",
        f"[a]({URL}) [b]({URL}){{.button}}",
        f"[]({URL}){{.button}}",
        f"[Book now]({URL}){{.button .big}}",
        "[Book now]{.button}",
        "Book now{.button}",
    ],
)
def test_anything_else_is_shown_as_it_was_typed_and_warned_of(text: str) -> None:
    written = markdown.write(text)

    assert 'class="button"' not in written.html
    assert "{.button" in written.html
    assert "{.button" in written.text
    assert any("button needs a line of its own" in one for one in markdown.warnings(text)) == ("{.button}" in text)


def test_the_address_of_a_button_is_held_to_the_same_rules_as_that_of_a_link() -> None:
    (said,) = markdown.mistakes("[Book now](javascript:alert(1)){.button}")

    assert "doesn’t work" in said
    assert markdown.write("[Book now](javascript:alert(1)){.button}").html == "<p>Book now</p>"


def test_a_button_that_is_called_by_its_address_says_it_once() -> None:
    assert markdown.write(f"[{URL}]({URL}){{.button}}").text == URL


def test_a_text_of_buttons_is_read_in_proportion_to_its_length() -> None:
    for line in (BUTTON, f"> {BUTTON}", f"- {BUTTON}", f"a\n{BUTTON}", "[" * 50 + "{.button}"):
        assert growth.fault(markdown.write, partial(_lines, f"{line}\n")) == ""
        assert growth.fault(markdown.write, partial(_lines, line)) == ""


def _lines(line: str, size: int) -> str:
    return line * (size // len(line))


# --- In the mail ------------------------------------------------------------------------------------------------------
def test_outlook_gets_a_cell_with_a_colour_and_a_padding_of_its_own() -> None:
    html = " ".join(html_of(BUTTON).split())

    cell = re.search(r"<td ([^>]*)> <a ([^>]*)>Book now</a> </td>", html)
    assert cell is not None
    assert 'bgcolor="#4a45c4"' in cell[1]
    assert "mso-padding-alt: 12px 24px" in cell[1]
    assert 'href="https://a.example/book?a=1&amp;b=2"' in cell[2]
    assert "display: inline-block; padding: 12px 24px;" in cell[2]
    assert "color: #ffffff" in cell[2]


def test_a_client_s_name_on_it_is_escaped() -> None:
    body = f"[Book, **{{{{ name }}}}**]({URL}){{.button}}"
    html = email.render(subject="s", body=body).html_for(placeholders.values(name="<b>", topic="x"), "token")

    assert "Book, <strong>&lt;b&gt;</strong></a>" in html


def test_no_line_gets_longer_than_mail_may_have() -> None:
    assert max(len(line) for line in html_of(BUTTON).splitlines()) < 500


LINES = st.sampled_from(
    [
        BUTTON,
        f"- {BUTTON}",
        f"> {BUTTON}",
        f"  - {BUTTON}",
        "[a](https://a.example)",
        "text",
        "",
        "- one",
        "1. two",
        "> q",
    ]
)


@given(body=st.lists(LINES, min_size=1, max_size=10).map("\n".join))
def test_wherever_buttons_stand_each_tag_is_closed_in_its_place(body: str) -> None:
    html = html_of(body)

    Nesting(html)
    assert html.count('class="button"') == html.count("mso-padding-alt")
