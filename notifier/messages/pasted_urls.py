"""URLs as people paste them into a text: where they begin and end, and the links that are made of them.

A URL is found before emphasis, for which the stars and lines in it are no marks, and comes out as it was typed, in HTML
and in plain text. It may have in it whatever browsers take: also `|`, `^` and quotation marks, which RFC 3986 has not.
"""

import re
from collections import Counter
from urllib.parse import urlsplit

from markdown_it.rules_inline import StateInline

#: A longer run of letters is no URL that somebody pasted. It is shown as it was typed.
MAX_LETTERS = 4_000
#: What looked like a URL and is none is read again, for the marks in it, unless it is longer.
MAX_LETTERS_READ_AGAIN = 200
#: Text is taken in pieces of so many letters.
MAX_LETTERS_AT_ONCE = 1_000
#: How a URL begins. The end of another word is no beginning, and what follows an @ is a part of an address.
_START = re.compile(r"(?<![a-zA-Z0-9+.-])(?:https?|ftps?)://|(?<![\w@/:.-])www\.(?=\w)", re.IGNORECASE)
_LONGEST_START = len("https://")
#: Quotation marks that only typography has stand around a URL, and never in it.
_RUN = re.compile(rf"[^\s<>“”„]{{0,{MAX_LETTERS + 1}}}")
#: What ends a sentence or closes a quotation, and is no part of the URL before it.
_CLOSING = ".,;:!?'\"`|\\’»”›…"
_BRACKETS = {")": "(", "]": "[", "}": "{"}
#: What stands before a URL and is closed behind it: “(https://…)”.
_AROUND = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`", "‘": "’", "«": "»", "‹": "›", "|": "|"}
#: Marks of emphasis around a URL are among the last delimiters that were opened before it.
_MARKS_LOOKED_AT = 12


def text(state: StateInline, silent: bool) -> bool:
    """In place of markdown-it's own rule for text, which does not end where a URL begins.

    Only so much of it is taken at once: else a long line would be looked through to its end for each URL in it.
    """
    start = state.pos
    reach = min(start + MAX_LETTERS_AT_ONCE, state.posMax)
    mark = state.md.inline.terminator_re.search(state.src, start, reach)
    end = mark.start() if mark else reach
    found = _START.search(state.src, start + 1, end + _LONGEST_START)
    end = min(end, found.start()) if found else end
    if end == start:
        return False
    if not silent:
        state.append_pending(state.src[start:end])
    state.pos = end
    return True


def link(state: StateInline, silent: bool) -> bool:
    """A rule for markdown-it, where a URL begins: makes a link of it, whatever marks are in it."""
    start = _START.match(state.src, state.pos)
    # markdown-it looks silently for the end of a link's words.
    if silent or start is None:
        return False
    # The words of a link end before the text does: what stands behind them is no part of a URL in them.
    run = _RUN.match(state.src, state.pos, state.posMax)
    letters = run[0] if run else ""
    before = state.src[state.pos - 1] if state.pos else ""
    url = "" if len(letters) > MAX_LETTERS else url_in(letters, before=before, marks=_open_marks(state))
    if not url and len(letters) < MAX_LETTERS_READ_AGAIN:
        return False
    is_link = bool(url)
    url = url or letters
    state.pos += len(url)
    address = f"http://{url}" if start[0].lower() == "www." else url
    if not is_link or state.linkLevel or start[0].lower().startswith("ftp"):
        # The words of a link are no links themselves, and mail programs open no FTP.
        state.append_pending(url)
        return True
    opened = state.push("link_open", "a", 1)
    opened.attrs = {"href": state.md.normalizeLink(address)}
    opened.markup, opened.info = "linkify", "auto"
    state.push("text", "", 0).content = url
    state.push("link_close", "a", -1)
    return True


def url_in(run: str, *, before: str = "", marks: str = "") -> str:
    """The URL that a run of letters begins with; empty where it begins with none.

    `before`: the letter before it. Where that opens a bracket or a quotation, the URL ends where it is closed. Neither
    what ends a sentence is part of its end, nor are `marks` of emphasis, each as often as it is open.
    """
    url = _trimmed(run[: _closed_at(run, before)], marks)
    try:
        host = urlsplit(url if "://" in url[:_LONGEST_START] else f"http://{url}").hostname
    except ValueError:
        return ""
    return url if host and any(map(str.isalnum, host)) else ""


def _closed_at(run: str, before: str) -> int:
    """Where the bracket or quotation ends that was opened just before the run; its length where none was."""
    closing = _AROUND.get(before)
    depth = 1
    for at, letter in enumerate(run if closing else ""):
        if letter == closing:
            depth -= 1
        elif letter == before:
            depth += 1
        if not depth:
            return at
    return len(run)


def _trimmed(url: str, marks: str) -> str:
    """Without what stands at its end and is no part of it; brackets are, as far as they go in pairs."""
    surplus = {mark: url.count(mark) - url.count(opening) for mark, opening in _BRACKETS.items()} | Counter(marks)
    end = len(url)
    while end and (url[end - 1] in _CLOSING or surplus.get(url[end - 1], 0) > 0):
        end -= 1
        if url[end] in surplus:
            surplus[url[end]] -= 1
    return url[:end]


def _open_marks(state: StateInline) -> str:
    """The marks of emphasis that stand open here: `**https://…**` ends before its second pair."""
    found: Counter[str] = Counter()
    for delimiter in state.delimiters[-_MARKS_LOOKED_AT:]:
        mark = chr(delimiter.marker)
        if delimiter.close and found[mark]:
            found[mark] -= 1
        elif delimiter.open:
            found[mark] += 1
    return "".join(found.elements())
