"""URLs as people paste them into a text: where they end, and the links that are made of them."""

import re
from functools import lru_cache

from linkify_it import LinkifyIt
from markdown_it.rules_inline import StateInline

#: A longer run of letters is no URL that somebody pasted. It is shown as it was typed.
MAX_LETTERS = 4_000
_RUN = re.compile(r"[^\s<>\"“”„`\\^|]*")
_SCHEME = re.compile(r"(?<![a-zA-Z0-9+.-])https?", re.IGNORECASE)
#: What ends a sentence or closes a quotation, and is no part of the URL before it.
_CLOSING = ".,;:!?'’»”›…"
#: Marks of emphasis around a URL are among the last delimiters that were opened before it.
_MARKS_LOOKED_AT = 12


def link(state: StateInline, silent: bool) -> bool:
    """A rule for markdown-it, at the colon of `https://…`: makes a link of the URL, whatever marks are in it."""
    start = _scheme_before(state)
    # The words of a link are no links themselves, and markdown-it looks for their end silently.
    if silent or state.linkLevel or start is None:
        return False
    run = _run_at(state.src, start)
    if len(run) > MAX_LETTERS:
        # Otherwise it would be read again from each URL in it.
        state.append_pending(run[state.pos - start :])
        state.pos = start + len(run)
        return True
    scheme = state.src[start : state.pos]
    url = url_in(run, marks=_open_marks(state))
    if len(url) <= len(scheme) or not state.pending.endswith(scheme):
        return False
    state.pending = state.pending[: -len(scheme)]
    opened = state.push("link_open", "a", 1)
    opened.attrs = {"href": state.md.normalizeLink(url)}
    opened.markup, opened.info = "linkify", "auto"
    state.push("text", "", 0).content = url
    state.push("link_close", "a", -1)
    state.pos = start + len(url)
    return True


def url_in(run: str, *, marks: str = "") -> str:
    """The URL that a run of letters begins with; empty where it begins with none. `marks` at its end are not
    part of it, and brackets are as far as they go in pairs.
    """
    run = run.rstrip(_CLOSING + marks)
    found = _linkify().match_at_start(run)
    if found is None:
        return ""
    url = run[: found.last_index]
    # linkify-it looks for the first bracket that closes, and does not count those that open in between.
    closing = url.count("(") - url.count(")")
    while closing > 0 and run.startswith(")", len(url)):
        url, closing = f"{url})", closing - 1
    return url.rstrip(_CLOSING + marks)


@lru_cache(maxsize=1)
def _linkify() -> LinkifyIt:
    return LinkifyIt()


def _run_at(text: str, start: int) -> str:
    run = _RUN.match(text, start)
    return run[0] if run else ""


def _scheme_before(state: StateInline) -> int | None:
    """Where the scheme begins that ends at the colon under the cursor; None where there is none."""
    if not state.src.startswith("://", state.pos):
        return None
    found = _SCHEME.search(state.src, max(0, state.pos - len("https")), state.pos)
    return found.start() if found and found.end() == state.pos else None


def _open_marks(state: StateInline) -> str:
    """The marks of emphasis that stand open here: `**https://…**` ends before its second pair."""
    return "".join({chr(mark.marker) for mark in state.delimiters[-_MARKS_LOOKED_AT:] if mark.open})
