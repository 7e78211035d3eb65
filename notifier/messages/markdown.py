"""An e-mail's text: a small part of Markdown, parsed once and rendered twice, as HTML and as plain text.

Paragraphs, line breaks, emphasis, headings, lists, quotes, rules, links, tables, buttons and our pictures. Everything
else is shown as it was typed: raw HTML and foreign pictures as text. Also left out is what would change a text without
its author meaning it: code by indentation, headings by underlining ("Ann" above "--"), entities, definitions of links.
Placeholders stay where they are, each written as `{{ name }}` or `{{ first_name | "there" }}`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from urllib.parse import unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from notifier.messages import buttons, lines, pasted_urls, pictures, placeholders
from notifier.messages.plain_text import PlainText

SCHEMES = {"http", "https", "mailto", "tel"}
_TAGS = {"p", "br", "strong", "em", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "hr", "a"}
_TAGS |= {"img", "table", "thead", "tbody", "tr", "th", "td"}
_RULES = ["paragraph", "heading", "list", "blockquote", "hr", "newline", "escape", "emphasis", "link", "autolink"]
_RULES += ["table"]

#: A text has at most so many letters. Gmail cuts a mail off at 102 kB, and every page with a draft reads all of it.
MAX_LETTERS = 100_000
_TOO_LONG = f"The text is longer than {MAX_LETTERS:,} characters, so mail programs cut off part of it."
_NO_WORDS = "This link has no words, so nobody sees it: {}. Write what it says between [ and ]."
#: No more faults of one kind are named: a page that names thousands helps nobody.
MAX_NAMED = 5

# Each ends at the next character that could begin the same again, so that no part of a text is read twice.
_HTML_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9-]*(?:\s[^<>]*)?/?>")
_PICTURE = re.compile(r"!\[[^\[\]]*\]\(")
#: These stand around a placeholder's name while the text is parsed, so that `**{{ name }}**s` is bold like
#: `**Ann**s`. They come from Unicode's private use area, and are removed from the text first.
_OPEN, _CLOSE, _OTHERWISE = "\ue000", "\ue001", "\ue002"
#: With its fallback, which is no Markdown, in letters that mean nothing either.
_MARK = re.compile(f"{_OPEN}([a-z0-9_]+)(?:{_OTHERWISE}([a-p]*))?{_CLOSE}")
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}{_OTHERWISE}]")


@dataclass(frozen=True, slots=True)
class Written:
    html: str
    text: str


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero", {"html": False, "breaks": True}).enable(_RULES)
    # Any address makes a link here. `mistakes` says which ones may not go out, and nh3 enforces it.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    # Before emphasis, for which the stars and lines of an address are no marks.
    parser.inline.ruler.before("text", "pasted_url", pasted_urls.link)
    parser.inline.ruler.at("text", pasted_urls.text)
    buttons.add_to(parser)
    pictures.add_to(parser)
    return parser


def _read(source: str) -> list[Token]:
    tokens = _parser().parse(placeholders.replace(_MARKS.sub("", source), _marked))
    for token in tokens:
        if token.type in ("th_open", "td_open"):
            # Older mail programs read the attribute, and every one of them sets a header in the middle.
            token.attrs = {"align": str(token.attrs.get("style", "left")).removeprefix("text-align:")}
    return tokens


def _marked(use: placeholders.Use) -> str:
    letters = "".join(chr(ord("a") + int(digit, 16)) for digit in use.fallback.encode(errors="surrogatepass").hex())
    return f"{_OPEN}{use.key}{_OTHERWISE + letters if letters else ''}{_CLOSE}"


def _unmarked(text: str) -> str:
    return _MARK.sub(lambda mark: str(_use(mark)), text)


def _unmarked_html(html: str) -> str:
    return _MARK.sub(lambda mark: escape(str(_use(mark))), html)


def _use(mark: re.Match[str]) -> placeholders.Use:
    digits = "".join(f"{ord(letter) - ord('a'):x}" for letter in mark[2] or "")
    return placeholders.Use(mark[1], bytes.fromhex(digits).decode(errors="surrogatepass"))


def write(source: str) -> Written:
    """The text as HTML and as plain text. The HTML is safe in a page once its placeholders have escaped values.

    Of a link that `mistakes` complains of, only the words are left.
    """
    tokens = _read(source)
    for token in tokens:
        token.children = token.children and _without_bad_links(token.children)
    html = nh3.clean(
        _parser().renderer.render(tokens, _parser().options, {}),
        tags=_TAGS,
        attributes={
            "a": {"href", "title"},
            "ol": {"start"},
            "img": {"src", "alt", "width", "height"},
            "th": {"align"},
            "td": {"align"},
        },
        tag_attribute_values={"a": {"class": {buttons.NAME}}},
        url_schemes=SCHEMES,
        url_relative="deny",
        link_rel=None,
    )
    return Written(html=_unmarked_html(html).strip(), text=_unmarked(PlainText().write(tokens)))


def mistakes(source: str) -> list[str]:
    """A sentence for each thing that would not work in an e-mail; with one of them a text can't be saved."""
    if len(source) > MAX_LETTERS:
        return [_TOO_LONG]
    tokens = _read(source)
    found = [message for token in _links(tokens) if (message := _link_mistake(str(token.attrs["href"])))]
    found += [_NO_WORDS.format(_unmarked(unquote(address))) for address in _addresses_without_words(tokens)]
    found += pictures.mistakes(tokens)
    if source.strip() and lines.is_blank(PlainText().write(tokens)):
        found.append("Nothing in this text would be visible. Write some text, or leave it empty to send no e-mail.")
    return list(dict.fromkeys(found))[:MAX_NAMED]


def warnings(source: str) -> list[str]:
    """A sentence for each thing that readers may not see as the author meant it."""
    found = []
    if tags := list(dict.fromkeys(_HTML_TAG.findall(source))):
        shown = " ".join(tags[:3])
        found.append(f"HTML is shown as plain text: {shown}. Use Markdown instead: **bold**, [a link](https://…).")
    if _PICTURE.search(pictures.without(source)):
        found.append("Pictures from elsewhere are not shown: ![…](…) becomes a link. Upload them under Pictures first.")
    if buttons.MARK in source and buttons.MARK in write(source).text:
        found.append(f"A button needs a line of its own: [Book now](https://…){buttons.MARK}.")
    return found


def _links(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from (child for child in token.children or () if child.type == "link_open")


def _addresses_without_words(tokens: Iterable[Token]) -> Iterator[str]:
    """Of links that nobody could see in the HTML."""
    for token in tokens:
        address, words = "", ""
        for child in token.children or ():
            if child.type == "link_open":
                address, words = str(child.attrs["href"]), ""
            elif child.type == "link_close" and lines.is_blank(words):
                yield address
            # A picture without a description is refused by itself.
            words += child.type if child.type == pictures.KIND else child.content


def _without_bad_links(tokens: list[Token]) -> list[Token]:
    kept, bad = [], False
    for token in tokens:
        if token.type == "link_open":
            bad = bool(_link_mistake(str(token.attrs["href"])))
        if not bad or token.type not in ("link_open", "link_close"):
            kept.append(token)
    return kept


def _link_mistake(address: str) -> str:
    shown = _unmarked(unquote(address))
    if _OPEN in unquote(address):
        return f"A link can’t have a placeholder in its address: {shown}. Use the same address for everyone."
    try:
        parts = urlsplit(address)
    except ValueError:
        return f"This link’s address can’t be read: {shown}."
    if parts.scheme.lower() not in SCHEMES:
        return f"This link doesn’t work in an e-mail: {shown or '(empty)'}. Start its address with https://."
    if parts.scheme.lower() in ("http", "https") and not parts.hostname:
        return f"This link’s address has no website: {shown}. Write it like https://www.example.com/page."
    return ""
