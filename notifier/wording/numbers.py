"""Numbers in text: ids that come in, counts that go out."""

#: Ids have 64 bits: a longer number is no row's, and SQLite raises an error for it. Nor has any size more digits, and
#: Python refuses to read thousands of them.
MAX_DIGITS = 18


def read_digits(text: str) -> int | None:
    """The number that somebody wrote in digits alone; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None


def read_id(text: str) -> int | None:
    """The id that a URL or a form names; None where it can't be one."""
    return read_digits(text)


def counted(number: int, one: str, many: str = "") -> str:
    """1 client, 1,234 clients; with `many` where the plural has more than an s more."""
    return f"{number:,} {plural(number, one, many)}"


def plural(number: int, one: str, many: str = "") -> str:
    """The word alone, for where the number stands elsewhere."""
    return one if number == 1 else many or one + "s"
