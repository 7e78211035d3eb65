"""Numbers in text: ids that come in, counts that go out."""

#: Ids have 64 bits. A longer number is no row's, and SQLite raises an error for it.
MAX_ID_DIGITS = 18


def read_id(text: str) -> int | None:
    """The id that a URL or a form names; None where it can't be one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_ID_DIGITS else None


def counted(number: int, one: str, many: str = "") -> str:
    """1 client, 1,234 clients; with `many` where the plural has more than an s more."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
