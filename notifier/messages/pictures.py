"""Pictures in e-mails: their names, which hold their size, their addresses, and how a text shows one.

A name is a digest of what is in the file, something that nobody can guess, and the size: nothing has to be looked up
while a mail is made.
"""

import re
from collections.abc import Iterable

from django.conf import settings
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

#: Where they are served, below PUBLIC_URL.
PATH = "/pictures/"
#: Of an e-mail, and of its text between the margins, in pixels of a page: `templates/mail/message.html`.
MAIL_WIDTH, TEXT_WIDTH = 600, 528
#: Twice as wide for screens that show twice as many pixels.
MAX_WIDTH, MAX_HEIGHT = 2 * MAIL_WIDTH, 4_000
#: What a mail program says in place of a picture that it does not load is seldom read further.
MAX_ALT_LETTERS = 200
#: What the name of the small one for staff begins with.
SMALL = "small-"
#: The kind of token for markdown-it.
KIND = "picture"
NO_ALT = "This picture has no description: {}. Write what it shows between [ and ], for clients who can’t see it."

NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}-([1-9][0-9]{0,3})x([1-9][0-9]{0,3})\.(?:jpg|png)")
_IN_TEXT = re.compile(
    r"!\[((?:[^\[\]\\\n]|\\[^\n])*)\]\(https?://[^\s()<>]+/pictures/"
    r"([0-9a-f]{16}-[0-9a-f]{16}-[1-9][0-9]{0,3}x[1-9][0-9]{0,3}\.(?:jpg|png))\)"
)
_ESCAPED = re.compile(r"\\([\[\]\\*_!`<>])")
_TO_ESCAPE = re.compile(r"([\[\]\\*_!`<>])")
_WITH_BACKSLASH = r"\\\1"


def url(name: str) -> str:
    return f"{settings.PUBLIC_URL}{PATH}{name}"


def in_markdown(*, name: str, alt: str) -> str:
    """What shows the picture, to be pasted into a text."""
    return f"![{_TO_ESCAPE.sub(_WITH_BACKSLASH, alt)}]({url(name)})"


def names_in(text: str) -> set[str]:
    """The names of the pictures that a text shows."""
    return {found[2] for found in _IN_TEXT.finditer(text)}


def without(text: str) -> str:
    """The text without what shows a picture."""
    return _IN_TEXT.sub("", text)


def shown_size(name: str, *, widest: int = TEXT_WIDTH, highest: int = MAX_HEIGHT) -> tuple[int, int]:
    """Its width and height in an e-mail: as it is, or as large as there is room."""
    found = NAME.fullmatch(name)
    assert found is not None  # noqa: S101  (only names that were found come here)
    width, height = int(found[1]), int(found[2])
    share = min(1.0, widest / width, highest / height)
    return max(1, round(width * share)), max(1, round(height * share))


def add_to(parser: MarkdownIt) -> None:
    # Before links, of which `[…](…)` would be one.
    parser.inline.ruler.before("link", KIND, _picture)


def mistakes(tokens: Iterable[Token]) -> list[str]:
    """A sentence for each picture that says nothing to those who don’t see it."""
    return [
        NO_ALT.format(child.meta["name"])
        for token in tokens
        for child in token.children or ()
        if child.type == KIND and not child.content.strip()
    ]


def _picture(state: StateInline, silent: bool) -> bool:
    """A rule for markdown-it: one of our pictures; any other is a link behind a “!”, as it always was."""
    found = _IN_TEXT.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        token = state.push(KIND, "img", 0)
        alt, name = _ESCAPED.sub(r"\1", found[1]), found[2]
        width, height = shown_size(name)
        token.attrs = {"src": url(name), "alt": alt, "width": str(width), "height": str(height)}
        token.content, token.meta = alt, {"name": name}
    state.pos = found.end()
    return True
