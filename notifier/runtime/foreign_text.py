"""Text that others wrote, such as a provider's answer, in a form that every database stores and every page shows."""

import re

#: Half of a surrogate pair is no character: JSON may hold it as \ud800, and UTF-8 can't.
_SURROGATE = re.compile("[\ud800-\udfff]")


def cleaned(text: str) -> str:
    """`text` without NUL, which PostgreSQL does not store, and with U+FFFD for each lone surrogate."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text).replace("\0", "")
