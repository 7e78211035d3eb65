"""Buttons in Markdown: a link alone on its line, with `{.button}` after it."""

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore

MARK = "{.button}"
#: The class of a button's link, which stands first of its attributes.
NAME = "button"


def add_to(parser: MarkdownIt) -> None:
    # It ends a paragraph, a quote and a list that it stands right below.
    parser.block.ruler.before("paragraph", NAME, _button, {"alt": ["paragraph", "blockquote", "list"]})
    parser.core.ruler.push(NAME, _name_links)


def _button(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A rule for markdown-it: makes a block of its own of the line."""
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].rstrip(" \t")
    if not (line.startswith("[") and line.endswith(MARK)):
        return False
    link = line.removesuffix(MARK)
    if not _is_one_link(state.md, link):
        return False
    if silent:
        return True
    state.line = start + 1
    state.push("button_open", "p", 1).map = [start, state.line]
    inside = state.push("inline", "", 0)
    inside.content, inside.map, inside.children, inside.info = link, [start, state.line], [], NAME
    state.push("button_close", "p", -1)
    return True


def _is_one_link(parser: MarkdownIt, text: str) -> bool:
    """Whether it is a link with words, from the first letter to the last."""
    tokens = parser.parseInline(text)[0].children or []
    links = [number for number, token in enumerate(tokens) if token.type in ("link_open", "link_close")]
    return links == [0, len(tokens) - 1] and any(token.content.strip() for token in tokens)


def _name_links(state: StateCore) -> None:
    """A rule for markdown-it, once the links have been read."""
    for token in state.tokens:
        if token.type == "inline" and token.info == NAME and token.children:
            link = token.children[0]
            link.attrs = {"class": NAME, **link.attrs}
