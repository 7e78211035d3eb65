"""The plain-text form of an e-mail whose Markdown was parsed."""

from urllib.parse import unquote

from markdown_it.token import Token

from notifier.messages import buttons

#: As wide as lines of our own get. What staff wrote is never broken, and no address is.
WIDTH = 60
#: "--" above a signature is shorter.
SHORTEST_RULE = 3


class PlainText:
    """What a mail program without HTML shows: no marks but bullets, numbers and quotes; links as "text (address)".

    `write` calls the method that is named after a token's type, if there is one.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        #: For each open list, its tag and the next number.
        self._lists: list[tuple[str, int]] = []
        #: What each line begins with, one part for every open list item and quote.
        self._prefixes: list[str] = []
        #: What the next line begins with instead, where it is the first of a list item.
        self._bullet: str | None = None
        #: Letters of the last text: how long a heading is.
        self._heading = 0
        #: The cells of the open table, row by row; None outside of one.
        self._rows: list[list[str]] | None = None

    def write(self, tokens: list[Token]) -> str:
        for token in tokens:
            if handle := getattr(self, f"_on_{token.type}", None):
                handle(token)
        return "\n".join(self._lines).strip()

    def _on_inline(self, token: Token) -> None:
        written = _inline(token.children or [])
        if self._rows is not None:
            self._rows[-1].append(" ".join(written.split("\n")))
            return
        self._heading = len(written.strip())
        for text in written.split("\n"):
            self._put(text)

    def _on_paragraph_close(self, token: Token) -> None:
        if not token.hidden:
            self._gap()

    def _on_button_close(self, token: Token) -> None:
        self._gap()

    def _on_heading_open(self, token: Token) -> None:
        self._heading = 0

    def _on_heading_close(self, token: Token) -> None:
        """Underlined: nothing else would tell it from a paragraph."""
        if self._heading:
            self._put(("=" if token.tag == "h1" else "-") * min(max(self._heading, SHORTEST_RULE), WIDTH))
        self._heading = 0
        self._gap()

    def _on_table_open(self, token: Token) -> None:
        self._rows = []

    def _on_tr_open(self, token: Token) -> None:
        if self._rows is not None:
            self._rows.append([])

    def _on_table_close(self, token: Token) -> None:
        rows, self._rows = self._rows or [], None
        for line in _table(rows):
            self._put(line)
        self._gap()

    def _on_hr(self, token: Token) -> None:
        self._put("-" * 30)
        self._gap()

    def _on_bullet_list_open(self, token: Token) -> None:
        self._lists.append((token.tag, int(token.attrs.get("start", 1))))

    def _on_bullet_list_close(self, token: Token) -> None:
        self._lists.pop()
        self._gap()

    _on_ordered_list_open, _on_ordered_list_close = _on_bullet_list_open, _on_bullet_list_close

    def _on_list_item_open(self, token: Token) -> None:
        kind, number = self._lists[-1]
        bullet = f"{number}. " if kind == "ol" else "- "
        self._lists[-1] = kind, number + 1
        self._bullet = "".join(self._prefixes) + bullet
        self._prefixes.append(" " * len(bullet))

    def _on_list_item_close(self, token: Token) -> None:
        self._prefixes.pop()
        self._bullet = None

    def _on_blockquote_open(self, token: Token) -> None:
        self._prefixes.append("> ")

    def _on_blockquote_close(self, token: Token) -> None:
        if self._lines and self._lines[-1] == self._blank():
            self._lines.pop()
        self._prefixes.pop()
        self._gap()

    def _put(self, text: str) -> None:
        before = "".join(self._prefixes) if self._bullet is None else self._bullet
        self._lines.append((before + text).rstrip())
        self._bullet = None

    def _gap(self) -> None:
        if self._lines and self._lines[-1] != self._blank():
            self._lines.append(self._blank())

    def _blank(self) -> str:
        return "".join(self._prefixes).rstrip()


def _table(rows: list[list[str]]) -> list[str]:
    """A line for each row, and one under the header. Columns are as wide as their widest cell, where there is room."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    fits = sum(widths) + 3 * (len(widths) - 1) <= WIDTH
    lines = [
        " | ".join(cell.ljust(width) if fits else cell for cell, width in zip(row, widths, strict=True)) for row in rows
    ]
    return [lines[0], "-" * min(max(len(lines[0]), SHORTEST_RULE), WIDTH), *lines[1:]]


def _inline(tokens: list[Token]) -> str:
    parts: list[str] = []
    opened: list[tuple[Token, int]] = []
    for token in tokens:
        match token.type:
            case "softbreak" | "hardbreak":
                parts.append("\n")
            case "link_open":
                opened.append((token, len(parts)))
            case "link_close":
                link, start = opened.pop()
                parts.append(_address_after("".join(parts[start:]), link))
            case _:
                parts.append(token.content)
    return "".join(parts)


def _address_after(label: str, link: Token) -> str:
    """A link's address in parentheses, a button's after a colon; "" where the label is the address."""
    # An address that was made a link of is its own label, though its link may be written otherwise.
    if link.info == "auto":
        return ""
    shown, is_whole = str(link.attrs["href"]), True
    if shown.lower().startswith(("mailto:", "tel:")):
        # As people write it, and without the subject, which is for the program that opens the link.
        shown = " ".join(unquote(shown.partition(":")[2].partition("?")[0]).split())
    else:
        # At a blank a mail program ends the link that it makes of an address.
        is_whole = not any(map(str.isspace, label))
    if not shown or (is_whole and unquote(shown) == unquote(label)):
        return ""
    return f": {shown}" if link.attrs.get("class") == buttons.NAME else f" ({shown})"
