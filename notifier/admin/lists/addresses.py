"""Addresses as lists show them."""

import re

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

#: After the @ and before a full stop.
_SEAM = re.compile(r"(?<=@)|(?=\.)")


def breakable(address: str) -> SafeString:
    """The address with marks where a line may break: not within a word."""
    return format_html_join(SafeString("<wbr>"), "{}", ((piece,) for piece in _SEAM.split(address)))
