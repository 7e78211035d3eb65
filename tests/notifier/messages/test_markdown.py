import re
import string
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it.rules_inline import StateInline

from notifier.messages import markdown, placeholders

LINES = st.lists(
    st.sampled_from(
        [
            "Hello {{ name }},",
            "**bold** and *thin* words",
            "- one",
            "  - two",
            "1. first",
            "> said",
            "---",
            "--",
            "# Heading",
            "[here](https://example.com/?a=1&b=2)",
            "[bad](javascript:alert(1))",
            "[Book now](https://example.com/book){.button}",
            "[bad](javascript:alert(1)){.button}",
            "<script>alert(1)</script>",
            "<https://example.com> https://example.org/x_y_z.",
            "![a](https://example.com/a.png)",
            "    four blanks",
            "\ttab & <b>",
            "```",
            "a | b",
            "--|--",
            "",
        ]
    )
    | st.text(max_size=30),
    max_size=12,
).map("\n".join)


class Tags(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


# --- HTML -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("Dear Ann,\n\nall well?\nYours", "<p>Dear Ann,</p>\n<p>all well?<br>\nYours</p>"),
        ("**bold** *thin*", "<p><strong>bold</strong> <em>thin</em></p>"),
        ("**{{ name }}**s", "<p><strong>{{ name }}</strong>s</p>"),
        ("_{{first_name}}_", "<p><em>{{ first_name }}</em></p>"),
        ("{{\nname\n}}", "<p>{{ name }}</p>"),
        ("# One\n## Two", "<h1>One</h1>\n<h2>Two</h2>"),
        ("3. c\n4. d", '<ol start="3">\n<li>c</li>\n<li>d</li>\n</ol>'),
        ("> said", "<blockquote>\n<p>said</p>\n</blockquote>"),
        ("one\n\n---\n\ntwo", "<p>one</p>\n<hr>\n<p>two</p>"),
        (
            "a | b\n---|---:\n1 | 2",
            '<table>\n<thead>\n<tr>\n<th align="left">a</th>\n<th align="right">b</th>\n</tr>\n</thead>\n'
            '<tbody>\n<tr>\n<td align="left">1</td>\n<td align="right">2</td>\n</tr>\n</tbody>\n</table>',
        ),
        ("[here](https://example.com/?a=1&b=2)", '<p><a href="https://example.com/?a=1&amp;b=2">here</a></p>'),
        ("[call](tel:+441)", '<p><a href="tel:+441">call</a></p>'),
        ("<ann@example.com>", '<p><a href="mailto:ann@example.com">ann@example.com</a></p>'),
        (
            "See https://example.com/a_b_c, or call.",
            '<p>See <a href="https://example.com/a_b_c">https://example.com/a_b_c</a>, or call.</p>',
        ),
        ("[https://a.example](https://b.example)", '<p><a href="https://b.example">https://a.example</a></p>'),
    ],
)
def test_the_subset_becomes_html(source: str, html: str) -> None:
    assert markdown.write(source).html == html


@pytest.mark.parametrize(
    "source",
    [
        "5 * 3 * 2 = 30, and snake_case_name",
        "#1 agent in town",
        "AT&T &copy; R&D;",
        "a <b>bold</b> <script>alert(1)</script> word",
        "`code` and ~~gone~~",
        "| a | b |",
    ],
)
def test_what_is_not_in_the_subset_is_shown_as_it_was_typed(source: str) -> None:
    written = markdown.write(source)

    assert unescape(written.html) == f"<p>{source}</p>"
    assert written.text == source


@pytest.mark.parametrize(
    "signature", ["Regards\n--\nAnn", "Regards\n-- \nAnn", "Regards\n==\nAnn", "A\n    B\n\n    C"]
)
def test_a_plain_text_keeps_its_lines(signature: str) -> None:
    written = markdown.write(signature)

    assert not {"h1", "h2", "pre", "code"} & set(Tags(written.html).tags)
    assert written.text.split() == signature.split()


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "www.example.com", "/page", "file:///x"],
)
def test_a_link_to_nowhere_is_complained_of_and_never_made(address: str) -> None:
    source = f"[look]({address})"

    (said,) = markdown.mistakes(source)

    assert "doesn’t work" in said
    assert address in said
    assert markdown.write(source).html == "<p>look</p>"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "/page", "file:///x", "//e.example"])
def test_no_such_address_would_get_out_even_if_it_were_taken_for_a_link(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(markdown, "_link_mistake", lambda address: "")

    assert Tags(markdown.write(f"[look]({address})").html).attributes == []


@pytest.mark.parametrize("address", ["https://e.example/{{name}}", "<https://e.example/{{ name }}>", "{{topic}}"])
def test_a_placeholder_in_an_address_is_complained_of_and_never_sent(address: str) -> None:
    (said,) = markdown.mistakes(f"[look]({address})")

    assert "placeholder in its address" in said
    assert "{{ " in said
    assert markdown.write(f"[look]({address})").html == "<p>look</p>"


def test_a_placeholder_in_a_bare_address_is_complained_of_too() -> None:
    (said,) = markdown.mistakes("Go to https://e.example/?n={{ name }} now")

    assert "https://e.example/?n={{ name }}" in said


def test_what_may_be_written_is_not_complained_of() -> None:
    text = "# Hi {{ name }}\n\n- [a](https://a.example) <b@c.example> [d](tel:+44 1)\n\nhttps://e.example/x(y)?z=1#w"

    assert markdown.mistakes(text) == []
    assert markdown.warnings(text) == []
    assert markdown.mistakes("") == []


@pytest.mark.parametrize(
    "text", ["#", "****", "- ", "\u200b", "[](https://a.example)".replace("https://a.example", "")]
)
def test_a_text_of_which_nothing_would_be_seen_is_complained_of(text: str) -> None:
    if text != "****":  # is shown as it stands
        assert markdown.mistakes(text)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("a <b>bold</b> word", "HTML"),
        ('<a href="https://x.example">x</a>', "HTML"),
        ("![house](https://x.example/a.png)", "Pictures"),
        ("![house](https://x.example/pictures/a.png)", "Pictures"),
        ("Now: [Book](https://x.example){.button}", "A button"),
    ],
)
def test_what_is_shown_otherwise_than_meant_is_warned_of(source: str, word: str) -> None:
    (said,) = markdown.warnings(source)

    assert said.startswith(word)


@pytest.mark.parametrize(
    "source", ["a < b > c", "1 <2> 3", "<ann@example.com>", "<https://example.com>", "wow! [x](https://y.example)"]
)
def test_nobody_is_warned_without_a_reason(source: str) -> None:
    assert markdown.warnings(source) == []


@given(source=LINES)
def test_nothing_but_the_subset_ever_gets_out(source: str) -> None:
    seen = Tags(markdown.write(source).html)

    tables = {"table", "thead", "tbody", "tr", "th", "td"}
    allowed = tables | {
        "p",
        "br",
        "strong",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "blockquote",
        "hr",
        "a",
    }
    assert set(seen.tags) <= allowed
    assert {name for name, _ in seen.attributes} <= {"href", "title", "start", "class", "align"}
    for name, value in seen.attributes:
        if name == "href":
            assert value.split(":")[0].lower() in ("http", "https", "mailto", "tel")
            assert "{{" not in value
        if name == "align":
            assert value in ("left", "center", "right")
        if name == "class":
            assert value == "button"


@given(source=LINES)
def test_no_word_is_lost_in_either_form(source: str) -> None:
    written = markdown.write(source)
    words = {word for word in source.replace("\ue000", "").replace("\ue001", "").split() if word.isalpha()}

    assert words <= set(" ".join(Tags(written.html).words).split())
    assert words <= set(written.text.split())


@given(source=LINES)
def test_a_placeholder_stays_where_it_was_as_often_as_it_was(source: str) -> None:
    written = markdown.write(source)
    number = len(placeholders.Pattern.of(source).names)
    if not markdown.mistakes(source):
        assert len(placeholders.Pattern.of(written.text).names) == number
        assert len(placeholders.Pattern.of(written.html).names) == number


def test_a_text_that_mail_programs_would_cut_off_is_complained_of() -> None:
    assert markdown.mistakes("a" * markdown.MAX_LETTERS) == []

    (said,) = markdown.mistakes("a" * (markdown.MAX_LETTERS + 1))

    assert "100,000 characters" in said


def test_a_page_names_a_few_faults_of_a_kind_and_not_thousands() -> None:
    assert len(markdown.mistakes(" ".join(f"[a](x{number})" for number in range(1000)))) == markdown.MAX_NAMED


# --- URLs as people paste them -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    [
        "https://e.example/?_gl=1*1k2*_ga*MT",
        "https://e.example/__init__/a",
        "https://e.example/Notifier_(film)",
        "https://e.example/a_(b_(c))",
        "https://e.example/*a*/_b_/c",
        "https://e.example/#:~:text=a,b",
        "https://e.example/x--y...z;v=1?q[]=2",
        "http://localhost:8000/@me/",
        "https://www.e.example",
        "HTTPS://E.example/A",
        "https://e.example/a|b^c",
        'https://e.example/?q="two+words"&n=1',
        "https://e.example/{a}/[b]`c`/d",
        "https://e.example:8443/_x_/*y*",
        "http://host:8080/a__b__c",
        "https://user:pa_ss_@e.example/",
        "http://[2001:db8::1]:80/_a_",
        "https://e.example/100%/_a_",
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "See {}, or call.", "({})", "“{}”", "**{}**", "_see {}_", "**now: {}.**", "*{}*"]
)
def test_a_pasted_address_is_one_link_in_both_forms(address: str, around: str) -> None:
    written = markdown.write(around.format(address))

    seen = Tags(written.html)
    assert [unquote(value) for name, value in seen.attributes if name == "href"] == [address]
    assert address in seen.words
    assert address in written.text
    assert written.text.strip("“”()._") == around.replace("*", "").format(address).strip("“”()._")


@pytest.mark.parametrize("around", ["{}", "See {}, or call.", "({})", '"{}"', "**{}**", "_see {}_", "*{}*", "a|{}|b"])
def test_an_address_without_a_scheme_is_one_link_too(around: str) -> None:
    written = markdown.write(around.format("www.e.example/_a_/b*c*d?e_f=1"))

    seen = Tags(written.html)
    assert [value for name, value in seen.attributes if name == "href"] == ["http://www.e.example/_a_/b*c*d?e_f=1"]
    assert "www.e.example/_a_/b*c*d?e_f=1" in seen.words
    assert "www.e.example/_a_/b*c*d?e_f=1" in written.text


@pytest.mark.parametrize("source", ["see ftp://e.example/_a_/b*c*d now", "[ftps://e.example/*a*](https://e.example)"])
def test_an_address_that_no_mail_program_opens_is_shown_as_it_was_typed(source: str) -> None:
    written = markdown.write(source)

    assert not {"em", "strong"} & set(Tags(written.html).tags)
    assert markdown.mistakes(source) == []
    assert re.search(r"ftps?://e\.example/[^ \]]+", source)[0] in written.text  # type: ignore[index]


def test_the_words_of_a_link_may_be_an_address() -> None:
    written = markdown.write("[https://a.example/_x_/y_z_](https://b.example)")

    assert written.html == '<p><a href="https://b.example">https://a.example/_x_/y_z_</a></p>'


@pytest.mark.parametrize(
    ("words", "html", "text"),
    [
        ("Visit https://a.example", "Visit https://a.example", "Visit https://a.example"),
        ("**https://a.example/x**", "<strong>https://a.example/x</strong>", "https://a.example/x"),
        ("_see https://a.example/x_", "<em>see https://a.example/x</em>", "see https://a.example/x"),
        ("www.a.example now", "www.a.example now", "www.a.example now"),
    ],
)
def test_an_address_in_the_words_of_a_link_ends_where_they_do(words: str, html: str, text: str) -> None:
    written = markdown.write(f"[{words}](https://b.example/?u=1)")

    assert written.html == f'<p><a href="https://b.example/?u=1">{html}</a></p>'
    assert written.text == f"{text} (https://b.example/?u=1)"


@pytest.mark.parametrize(
    "link", ["[](https://a.example)", "[ ](https://a.example)", "see [**\u200b**](https://a.example)"]
)
def test_a_link_that_nobody_could_see_is_complained_of(link: str) -> None:
    said = markdown.mistakes(f"Hello.\n\n{link}")

    assert said == ["This link has no words, so nobody sees it: https://a.example. Write what it says between [ and ]."]


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ('"https://e.example/a","https://e.example/b"', "https://e.example/a"),
        ("(https://e.example/a)b", "https://e.example/a"),
        ("https://e.example/a)b]c}d)", "https://e.example/a)b]c}d"),
        ("**a** https://e.example/a*", "https://e.example/a*"),
        ("[https://e.example/a][1]", "https://e.example/a"),
        ("|https://e.example/a|b|", "https://e.example/a"),
        ("`https://e.example/a`", "https://e.example/a"),
        ('<b title="https://e.example/a">', "https://e.example/a"),
    ],
)
def test_an_address_ends_where_what_was_opened_before_it_is_closed(source: str, address: str) -> None:
    written = markdown.write(source)

    assert next(unquote(value) for name, value in Tags(written.html).attributes if name == "href") == address
    assert written.text == source.replace("**", "")


#: RFC 3986, and what browsers take besides.
URL_LETTERS = string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=%" + '|^"`{}' + "üñ漢"


@given(
    scheme=st.sampled_from(["http://", "https://", "HTTPS://", "www."]),
    host=st.sampled_from(["e.example", "localhost:8000", "a_b.e.example", "u:p_@e.example", "bücher.example:81"]),
    path=st.text(st.sampled_from(URL_LETTERS), max_size=40).map(lambda text: re.sub(r"%(?![0-9A-Fa-f]{2})", "", text)),
    last=st.sampled_from("a9/=_*-~&#$+^"),
    around=st.sampled_from(["{}", "See {}, or call.", "Look: {} \nand *so* on", "- {}\n- b", "> {}", "**a** {} **b**"]),
)
def test_any_pasted_url_comes_out_whole_in_both_forms(
    scheme: str, host: str, path: str, last: str, around: str
) -> None:
    url = f"{scheme}{host}/{path}{last}"

    written = markdown.write(around.replace("{}", url))

    seen = Tags(written.html)
    (href,) = [value for name, value in seen.attributes if name == "href"]
    whole = f"http://{url}" if scheme == "www." else url
    assert _as_sent(href) == _as_sent(whole)
    assert url in seen.words
    assert url in written.text


def _as_sent(url: str) -> str:
    """All that follows its host, which may be written in Punycode."""
    return unquote(url.split("/", 3)[3])


def test_a_link_says_its_address_once_however_it_is_written() -> None:
    written = markdown.write("https://bücher.example/ü?q=ä")

    assert written.text == "https://bücher.example/ü?q=ä"
    assert 'href="https://xn--bcher-kva.example/%C3%BC?q=%C3%A4"' in written.html


@pytest.mark.parametrize("text", ["xhttps://e.example", "https://", "https:// e.example", "https://a" + "b" * 5000])
def test_what_is_no_address_is_shown_as_it_was_typed(text: str) -> None:
    assert markdown.write(text).html == f"<p>{text}</p>"


# --- Plain text -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Dear Ann,\n\nall well?\nYours", "Dear Ann,\n\nall well?\nYours"),
        ("# One\n\n**two** *three*", "One\n===\n\ntwo three"),
        ("## Two words\nbelow", "Two words\n---------\n\nbelow"),
        ("# A\n> ## B", "A\n===\n\n> B\n> ---"),
        ("- # One\n- two", "- One\n  ===\n\n- two"),
        ("| a | b |\n|---|---:|\n| one | **2** |\n\nend", "a   | b\n-------\none | 2\n\nend"),
        ("> a | b\n> --|--\n> 1 | 2", "> a | b\n> -----\n> 1 | 2"),
        (f"a | b\n--|--\n{'x' * 58} | 2", f"a | b\n-----\n{'x' * 58} | 2"),
        ("[here](https://example.com/?a=1&b=2) now", "here (https://example.com/?a=1&b=2) now"),
        ("https://example.com/ü", "https://example.com/ü"),
        ("[ann@example.com](mailto:ann@example.com)", "ann@example.com"),
        ("[Ann](mailto:ann@example.com)", "Ann (ann@example.com)"),
        ("[Ann](mailto:ann@example.com?subject=Hi%20you)", "Ann (ann@example.com)"),
        ("[ann@example.com](mailto:ann@example.com?subject=Hi)", "ann@example.com"),
        (
            "[https://e.example/my list](<https://e.example/my list>)",
            "https://e.example/my list (https://e.example/my%20list)",
        ),
        ("[https://e.example/ü](https://e.example/ü)", "https://e.example/ü"),
        ("[call](<tel:+44 20 7946 0018>)", "call (+44 20 7946 0018)"),
        ("[+44 20 7946 0018](<tel:+44 20 7946 0018>)", "+44 20 7946 0018"),
        ("- **[a (b)](https://e.example/a_(b)?x=1&y=2)**", "- a (b) (https://e.example/a_(b)?x=1&y=2)"),
        ("before\n\n- one\n- two\n\nafter", "before\n\n- one\n- two\n\nafter"),
        ("9. nine\n10. ten\n    - deep\n      line", "9. nine\n10. ten\n    - deep\n      line"),
        ("- one\n\n  more\n- two", "- one\n\n  more\n\n- two"),
        ("> said\n> > deep\n\nafter", "> said\n>\n> > deep\n\nafter"),
        ("a\n\n---\n\nb", f"a\n\n{'-' * 30}\n\nb"),
        ("a\\\nb", "a\nb"),
        ("1 \\* 2", "1 * 2"),
    ],
)
def test_the_subset_becomes_plain_text(source: str, text: str) -> None:
    assert markdown.write(source).text == text


def test_a_long_line_of_urls_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it ends a piece of text but the URLs themselves."""
    read: list[int] = []
    original = StateInline.append_pending

    def count(self: StateInline, text: str) -> None:
        read.append(len(text))
        original(self, text)

    monkeypatch.setattr(StateInline, "append_pending", count)
    text = " www.a" * 1_000

    written = markdown.write(text)

    assert written.html.count("<a href") == 1_000
    assert sum(read) <= len(text)
