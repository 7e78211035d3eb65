import re
from dataclasses import replace
from html import unescape
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.messages import email, placeholders, signed_links
from notifier.messages.brands import NEUTRAL, BrandLook
from tests.notifier.messages.test_markdown import Tags
from tests.support.checks.markup import faults

TOKEN = signed_links.token(signed_links.Link(client_id=7, topic_id=1, broadcast_id=42))
STOP, CHOOSE = signed_links.unsubscribe_url(TOKEN), signed_links.preferences_url(TOKEN)
VALUES = placeholders.values(name="Ann Example", first_name="Ann", last_name="Example", topic="Listings")


BRAND = BrandLook(
    name="Acme & Homes",
    colour="#ffcc00",
    ink="#1b1c27",
    postal_address="1 High Street\nLondon",
    reply_line="Questions? Reply to this e-mail.",
)


def words_of(html: str) -> str:
    """What a reader sees of it, in one line."""
    return " ".join(" ".join(Tags(html.partition("<body")[2]).words).split())


def test_both_parts_say_the_same() -> None:
    rendered = email.render(
        subject="Homes for {{ first_name }}", body="Dear **{{ name }}**,\n\n[look](https://a.example)"
    )

    assert rendered.text_for(VALUES, TOKEN) == (
        "Dear Ann Example,\n\nlook (https://a.example)\n\n-- \nYou are receiving this because you asked to hear about "
        f"Listings.\nUnsubscribe: {STOP}\nManage your preferences: {CHOOSE}\n"
    )
    html = rendered.html_for(VALUES, TOKEN)
    assert "<title>Homes for Ann</title>" in html
    foot = "You are receiving this because you asked to hear about Listings. Unsubscribe · Manage your preferences"
    assert words_of(html).replace("\xa0", " ").replace("  ", " ").endswith(f"look {foot}")
    assert re.findall(r'href="([^"]*)"', html) == ["https://a.example", STOP, CHOOSE]


ALL_OF_MARKDOWN = """# A heading

Dear **{{ name }}**,
how are *you* & <b>yours</b>?

- milk
- bread
  - white

1. one

   with more

> said
> > twice

| day | hour |
|:--|--:|
| Monday | *nine* |

![The mill](https://a.example/mill.png)

[Book now](https://a.example/book?a=1&b=2){.button}

---

[look](https://a.example "A title")"""


@pytest.mark.parametrize("brand", [NEUTRAL, BRAND], ids=["without a brand", "with one"])
def test_it_is_well_formed(brand: BrandLook) -> None:
    rendered = email.render(subject="Homes & <i>more</i>", preheader="Look", body=ALL_OF_MARKDOWN, brand=brand)

    assert faults(rendered.html_for(VALUES, TOKEN)) == []


WORD = re.compile(r"[^\W_]+")
URL = re.compile(r"https?://\S+")
PICTURE = "0123456789abcdef-fedcba9876543210-1200x400.png"
PIECES = st.sampled_from(
    [
        "# A heading for {{ name }}",
        "### Another one",
        "Dear **{{ first_name }}**,\nhow are *you*?",
        "- milk\n- bread\n  - white\n  - brown",
        "1. one\n2. two\n\n   with more",
        "> said\n> > twice",
        "| day | hour |\n|:--|--:|\n| Monday | *nine* |\n| {{ topic }} | [ten](https://a.example/ten?a=1&b=2) |",
        "[Book now, {{ name }}](https://a.example/book_now?a=1&b=2){.button}",
        "See [our page](https://a.example/a_(b)?c=%20d) or https://b.example/__init__/x, soon",
        f"![The red house](http://localhost:8000/pictures/{PICTURE})",
        f"[![The blue house](http://localhost:8000/pictures/{PICTURE})](https://a.example)",
        "---",
        "Grüße aus Köln, שלום",
        "5 * 3 * 2 = 30 and snake_case",
        "<b>bold</b> {.button}",
    ]
) | st.text(st.characters(categories=["L", "Nd", "Zs"]), max_size=20)


def visible_words(html: str) -> list[str]:
    """What is read of it in order, pictures by their descriptions, without the preheader."""
    body = re.sub(r"<div .*?</div>", "", html.partition("<body")[2].partition(">")[2], flags=re.DOTALL)
    body = re.sub(r'<img[^>]*?alt="([^"]*)"[^>]*>', r"\1", body, flags=re.DOTALL)
    return WORD.findall(URL.sub(" ", "".join(Tags(re.sub(r"<(?:br|/td|/th|/li|/p|/h\d)>", " \\g<0>", body)).words)))


@given(
    pieces=st.lists(PIECES, min_size=1, max_size=8),
    preheader=st.sampled_from(["", "Only for {{ name }}"]),
    has_brand=st.booleans(),
)
def test_whatever_is_written_both_parts_say_it_in_the_same_words(
    pieces: list[str], preheader: str, has_brand: bool
) -> None:
    body, brand = "\n\n".join(pieces), BRAND if has_brand else NEUTRAL
    rendered = email.render(subject="s", preheader=preheader, body=body, brand=brand)

    text, html = rendered.text_for(VALUES, TOKEN), rendered.html_for(VALUES, TOKEN)

    # A list's numbers are no words in HTML: the mail program counts.
    numbered = re.sub(r"^((?:> ?| )*)\d+\. ", r"\1", text, flags=re.MULTILINE)
    assert WORD.findall(URL.sub(" ", numbered)) == visible_words(html)
    # What is said behind the words is the same too, and no address is broken.
    links = re.findall(r'<a [^>]*?href="([^"]*)"', html, flags=re.DOTALL)
    lines = text.splitlines()
    assert all(any(unescape(link) in line for line in lines) for link in links)


@pytest.mark.parametrize(
    "name", ["<b>Ann</b>", "**Ann**", '" onclick="x', "{{ topic }}", "[x](https://a.example)", "&amp;"]
)
def test_a_name_shows_as_itself_in_both_parts(name: str) -> None:
    rendered = email.render(subject="{{ name }}", body="Dear {{ name }}, **{{ name }}**")
    values = placeholders.values(name=name, topic="Listings")

    assert rendered.text_for(values, TOKEN).startswith(f"Dear {name}, {name}\n")
    assert f"Dear {name}, {name}" in words_of(rendered.html_for(values, TOKEN)).replace(" , ", ", ")


@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_name_never_adds_a_tag(name: str) -> None:
    rendered = email.render(subject="{{ name }}", body="Dear {{ name }}")

    html = rendered.html_for(placeholders.values(name=name, topic="x"), TOKEN)
    plain = rendered.html_for(placeholders.values(name="Ann", topic="x"), TOKEN)

    assert html.count("<") == plain.count("<")
    assert html.count('"') == plain.count('"')


def test_the_body_and_the_subject_never_add_a_tag_of_their_own() -> None:
    html = email.render(subject="<script>1</script>", body="<script>2</script><img src=x onerror=3>").html_for(
        VALUES, TOKEN
    )

    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;2&lt;/script&gt;" in html


def test_the_same_text_is_put_together_once() -> None:
    first = email.render(subject="Once", body="and for all")

    assert email.render(subject="Once", body="and for all") is first


def test_no_line_is_longer_than_mail_may_have_where_the_text_has_none() -> None:
    html = email.render(subject="s", body="- one\n- two").html_for(VALUES, TOKEN)

    assert max(len(line.encode()) for line in html.splitlines()) < 998


@given(text=st.text(alphabet="{} namefirst_topic\n", max_size=60) | st.text())
def test_a_pattern_fills_as_render_does(text: str) -> None:
    assert placeholders.Pattern.of(text).fill(VALUES) == placeholders.render(text, VALUES)


def test_each_client_has_links_of_their_own_whatever_staff_wrote_beside_them() -> None:
    other = signed_links.token(signed_links.Link(client_id=8, topic_id=1, broadcast_id=42))
    rendered = email.render(subject="s", body="{{ unsubscribe }} {{ preferences }}")

    assert STOP in rendered.text_for(VALUES, TOKEN)
    assert other in rendered.text_for(VALUES, other)
    assert TOKEN not in rendered.text_for(VALUES, other) + rendered.html_for(VALUES, other)
    assert rendered.text_for(VALUES, TOKEN).startswith("[no unsubscribe] [no preferences]\n")


# --- The preheader ----------------------------------------------------------------------------------------------------
def test_a_preheader_stands_hidden_before_all_else_in_the_html_and_not_in_the_text() -> None:
    rendered = email.render(subject="s", preheader="For {{ first_name }} <only>", body="Dear you")

    html = rendered.html_for(VALUES, TOKEN)

    hidden = re.search(r'<div style="([^"]*)"[^>]*>(.*?)</div>', html.partition("<body")[2], re.DOTALL)
    assert hidden is not None
    assert "display: none" in hidden[1]
    assert hidden[2].strip().startswith("For Ann &lt;only&gt;&zwnj;&nbsp;")
    assert words_of(html).partition(">")[2].strip().startswith("For Ann <only>")
    assert "only" not in rendered.text_for(VALUES, TOKEN)


def test_without_a_preheader_nothing_is_hidden() -> None:
    assert "display: none" not in email.render(subject="s", body="Dear you").html_for(VALUES, TOKEN)


# --- The brand --------------------------------------------------------------------------------------------------------
LOGO = "0123456789abcdef-fedcba9876543210-1200x400.png"


def test_the_brand_stands_around_the_text_in_both_forms() -> None:
    rendered = email.render(subject="s", body="Dear you", brand=BRAND)

    assert rendered.text_for(VALUES, TOKEN) == (
        "Acme & Homes\n\nDear you\n\n-- \nQuestions? Reply to this e-mail.\n"
        "You are receiving this because you asked to hear about Listings.\n"
        f"Unsubscribe: {STOP}\nManage your preferences: {CHOOSE}\n1 High Street\nLondon\n"
    )
    shown = words_of(rendered.html_for(VALUES, TOKEN)).replace("\xa0", " ").replace("  ", " ")
    assert shown.endswith(
        "Acme & Homes Dear you Questions? Reply to this e-mail. You are receiving this because you asked to hear about "
        "Listings. Unsubscribe · Manage your preferences 1 High Street London"
    )


def test_buttons_and_links_have_its_colours_where_they_can_be_read() -> None:
    body = "[Book](https://a.example){.button}\n\n[look](https://b.example)"
    html = email.render(subject="s", body=body, brand=BRAND).html_for(VALUES, TOKEN)

    assert 'bgcolor="#ffcc00"' in html
    assert "background: #ffcc00; color: #1b1c27;" in html
    assert '<a style="color: #1b1c27; text-decoration: underline;" href="https://b.example">' in html
    assert ".inside a.button { color: #1b1c27 !important; }" in html


def test_a_logo_is_described_by_the_name() -> None:
    rendered = email.render(subject="s", body="Dear you", brand=replace(BRAND, logo=LOGO))

    (logo,) = re.findall(r"<img[^>]*>", rendered.html_for(VALUES, TOKEN))
    assert 'alt="Acme &amp; Homes"' in logo
    assert f'src="http://localhost:8000/pictures/{LOGO}"' in logo
    assert re.search(r'width="216"\s+height="72"', logo)
    assert rendered.text_for(VALUES, TOKEN).startswith("Acme & Homes\n\nDear you")


def test_each_brand_is_put_together_once() -> None:
    first = email.render(subject="Once", body="and for all", brand=BRAND)

    assert email.render(subject="Once", body="and for all", brand=replace(BRAND)) is first
    assert email.render(subject="Once", body="and for all") is not first


# --- Its size ---------------------------------------------------------------------------------------------------------
def test_a_mail_that_gmail_would_cut_off_is_warned_of_by_its_own_size() -> None:
    short, long = (email.render(subject="s", body="ä\n\n" * number).html_for(VALUES, TOKEN) for number in (10, 3_000))

    assert email.size_warning(short) == ""
    assert email.size_of(long) == len(long.encode()) > email.GMAIL_SHOWS
    assert f"has {ceil(len(long.encode()) / 1000):,} kB, and Gmail cuts it off after 102 kB" in email.size_warning(long)


# --- Direction and bytes ----------------------------------------------------------------------------------------------
def test_each_outermost_block_takes_the_direction_of_its_own_letters() -> None:
    body = "שלום {{ name }}\n\n# Homes\n\n- עברית\n\n  more\n- two\n\n> كلام\n>\n> more"

    html = email.render(subject="s", body=body).html_for(VALUES, TOKEN)

    inside = html.partition('class="inside"')[2].partition("</td>")[0]
    directed = re.findall(r'<(\w+) dir="auto"', inside)
    assert directed == ["p", "h1", "ul", "blockquote"]
    # What has a direction of its own is not asked by what stands around it.
    assert inside.count("<p") == 6


def test_the_template_itself_needs_no_letter_beyond_ascii() -> None:
    rendered = email.render(subject="Homes", body="Dear {{ name }}")

    assert rendered.html_for(VALUES, TOKEN).isascii()
    assert rendered.text_for(VALUES, TOKEN).isascii()


# --- Fallbacks --------------------------------------------------------------------------------------------------------
def test_a_fallback_is_no_markdown_and_is_escaped_like_a_value_in_every_part() -> None:
    rendered = email.render(
        subject='Hi {{ first_name | "you & <me>" }}!',
        preheader="For {{ first_name | “A & B” }} only",
        body='Dear **{{ first_name | "a *b* & [c](x)" }}**s\n\n'
        'Name | Topic\n--|--\n{{ last_name | "x | y" }} | {{ topic }}',
    )
    values = placeholders.values(name="Cher", topic="Listings")

    html, text = rendered.html_for(values, TOKEN), rendered.text_for(values, TOKEN)

    assert "<title>Hi you &amp; &lt;me&gt;!</title>" in html
    assert "For A &amp; B only&zwnj;" in html
    assert "Dear <strong>a *b* &amp; [c](x)</strong>s" in html
    assert ">x | y<" in html.replace("</td", "<")
    assert "Dear a *b* & [c](x)s" in text
    assert "x | y | Listings" in text
    assert "{{" not in html + text


def test_with_a_value_no_fallback_is_seen() -> None:
    rendered = email.render(subject="s", body='Dear {{ first_name | "SECOND BEST" }}, {{ name | "THIRD" }}')

    assert "SECOND BEST" not in rendered.html_for(VALUES, TOKEN) + rendered.text_for(VALUES, TOKEN)
    assert "Dear Ann, Ann Example" in rendered.text_for(VALUES, TOKEN)


# --- Languages --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reader", "why", "unsubscribe"),
    [
        (None, "You are receiving this because you asked to hear about Homes &amp; more.", "Unsubscribe"),
        ("de", "Sie erhalten diese E-Mail, weil Sie sich für „Homes &amp; more“ angemeldet haben.", "Abmelden"),
        ("fr", "Vous recevez cet e-mail car vous avez demandé", "Se désinscrire"),
        ("es", "Recibe este correo porque se ha suscrito al tema «Homes &amp; more».", "Darse de baja"),
    ],
)
def test_the_end_is_in_the_language_of_the_reader(reader: str | None, why: str, unsubscribe: str) -> None:
    values = {**VALUES, "topic": "Homes & more"}
    rendered = email.render(subject="s", body="Dear you", reader=reader)

    html, text = rendered.html_for(values, TOKEN), rendered.text_for(values, TOKEN)

    assert why in html
    assert f">{unsubscribe}</a>" in html
    assert why.replace("&amp;", "&") in text
    assert f"\n{unsubscribe}: http" in text


def test_the_language_of_the_text_and_that_of_its_end_are_told_apart() -> None:
    same = email.render(subject="s", body="Hallo", language="de", reader="de").html_for(VALUES, TOKEN)
    other = email.render(subject="s", body="Hello", reader="de").html_for(VALUES, TOKEN)

    assert '<html lang="de"' in same
    assert same.count('lang="') == 1
    assert '<html lang="en"' in other
    assert re.search(r'class="foot"\s+lang="de"', other)
