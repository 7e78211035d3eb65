from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.messages import email, markdown, pictures, placeholders
from tests.notifier.messages.test_markdown import Tags

NAME = "0123456789abcdef-fedcba9876543210-1200x800.jpg"
URL = f"http://localhost:8000/pictures/{NAME}"
SHOWN = '<img src="{}" alt="{}" width="528" height="352">'


def test_a_picture_of_ours_is_shown_as_wide_as_the_text_and_says_what_it_is() -> None:
    written = markdown.write(f"Look:\n![The new homes]({URL})\nNice?")

    assert written.html == f"<p>Look:<br>\n{SHOWN.format(URL, 'The new homes')}<br>\nNice?</p>"
    assert written.text == "Look:\nThe new homes\nNice?"
    assert (markdown.mistakes(f"![a]({URL})"), markdown.warnings(f"![a]({URL})")) == ([], [])


@pytest.mark.parametrize(
    ("size", "shown"), [("100x50", (100, 50)), ("1200x1", (528, 1)), ("528x90", (528, 90)), ("9x4000", (9, 4000))]
)
def test_a_small_one_keeps_its_size(size: str, shown: tuple[int, int]) -> None:
    assert pictures.shown_size(NAME.replace("1200x800", size)) == shown


def test_its_address_begins_with_that_of_today(settings: Any) -> None:
    settings.PUBLIC_URL = "https://news.example.com"

    html = markdown.write(f"![a]({URL})").html

    assert html == f"<p>{SHOWN.format(f'https://news.example.com/pictures/{NAME}', 'a')}</p>"


def test_a_picture_may_be_a_link() -> None:
    written = markdown.write(f"[![The homes]({URL})](https://a.example)")

    assert written.html == f'<p><a href="https://a.example">{SHOWN.format(URL, "The homes")}</a></p>'
    assert written.text == "The homes (https://a.example)"


@pytest.mark.parametrize(
    "address",
    [
        "https://x.example/a.png",
        "https://x.example/pictures/a.png",
        f"javascript:/pictures/{NAME}",
        f"/pictures/{NAME}",
        f"{URL}?x=1",
        URL.replace(".jpg", ".svg"),
        URL.replace("1200x800", "0x800"),
    ],
)
def test_any_other_is_no_picture_and_stays_what_it_was(address: str) -> None:
    source = f"![a]({address})"

    assert "<img" not in markdown.write(source).html
    assert any("Pictures from elsewhere" in one for one in markdown.warnings(source))


@pytest.mark.parametrize("alt", ["", " ", "\\"])
def test_a_picture_without_a_description_is_complained_of(alt: str) -> None:
    said = markdown.mistakes(f"Hello ![{alt}]({URL})")

    assert [NAME in one and "has no description" in one for one in said] == ([True] if alt != "\\" else [])


@given(alt=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Co"]), min_size=1, max_size=40))
def test_what_is_pasted_shows_the_description_as_it_is(alt: str) -> None:
    pasted = pictures.in_markdown(name=NAME, alt=alt.strip() or "x")
    written = markdown.write(f"a {pasted} b")

    assert dict(Tags(written.html).attributes)["alt"] == (alt.strip() or "x")
    assert written.text == f"a {alt.strip() or 'x'} b"
    assert pictures.names_in(pasted) == {NAME}
    assert pictures.without(pasted) == ""


def test_a_client_s_name_in_a_description_is_escaped() -> None:
    rendered = email.render(subject="s", body=f"![For {{{{ name }}}}]({URL})")

    html = rendered.html_for(placeholders.values(name='"><script>', topic="x"), "token")

    assert 'alt="For &quot;&gt;&lt;script&gt;"' in html


def test_in_a_mail_it_is_never_wider_than_the_screen() -> None:
    html = email.render(subject="s", body=f"![a]({URL})").html_for(placeholders.values(name="Ann", topic="x"), "token")

    (shown,) = [line for line in html.splitlines() if "<img" in line]
    assert "max-width: 100%; height: auto;" in shown
    assert 'width="528" height="352"' in shown
    assert shown.count("dir=") == 1
