"""Keeps out of the log what it must not hold: clients' addresses and names, and the tokens of their links, with which
anybody could act as the client.
"""

import logging
import re

from notifier.messages import signed_links

HIDDEN = "…"
# An e-mail address, or a URL with a password in it. It begins where a word does, so that no word is read twice.
_ADDRESS = re.compile(r"<?(?:\"[^\"<>]{1,64}\"|(?<![^\s<>@])[^\s<>@]+)@[^\s<>]+>?")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}(?![0-9])")
#: What stands before the text of an error of the database in a traceback, however deep.
_MARGIN = " |+"
_DATABASE_ERROR = re.compile(r"(?:psycopg|django\.db|sqlite3)[\w.]*: ")
#: PostgreSQL's further lines have the row's values in them: Key (email)=(ann@example.com) already exists.
_DETAILS = re.compile(r"(?:DETAIL|CONTEXT|HINT|QUERY|STATEMENT|LINE [0-9]+): ")
_VALUE = re.compile(r"(invalid input [a-z]{5,6} for [\w ]{1,80}: )\".*")
#: The lines between the errors of a traceback, after which a text goes on.
_NEXT_ERROR = ("The above exception was", "During handling of", "Traceback ")


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback among it, without addresses, tokens, and the values of a database's error."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def redacted(text: str) -> str:
    """`text` as it may be logged."""
    text = _without_details(text) if "\n" in text else text
    return _PHONE.sub(HIDDEN, _ADDRESS.sub(HIDDEN, _VALUE.sub(rf"\1{HIDDEN}", signed_links.without_tokens(text))))


def _without_details(text: str) -> str:
    """Of an error of the database only the first line: the others quote the statement and the row."""
    kept: list[str] = []
    is_error = False
    for line in text.split("\n"):
        bare = line.lstrip(_MARGIN)
        if bare.startswith(_NEXT_ERROR):
            kept += [""] if is_error else []
            is_error = False
        is_error = is_error or bool(_DETAILS.match(bare))
        if not is_error:
            kept.append(line)
            is_error = bool(_DATABASE_ERROR.match(bare))
    return "\n".join(kept)
