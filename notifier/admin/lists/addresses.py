"""Addresses as lists show them."""

import re

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

#: After the @ and before a full stop: where an address is read in one piece.
_SEAM = re.compile(r"(?<=@)|(?=\.)")


def breakable(address: str) -> SafeString:
    """Where there is no room for it in one line it goes on in the next at a seam, and not within a word."""
    return format_html_join(SafeString("<wbr>"), "{}", ((piece,) for piece in _SEAM.split(address)))
