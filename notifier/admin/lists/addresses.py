"""Addresses as lists show them."""

import re

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from notifier.addresses import phones

#: After the @ and before a full stop.
_SEAM = re.compile(r"(?<=@)|(?=\.)")


def readable(address: str) -> SafeString:
    """A phone number in groups of digits, on one line; an e-mail address with marks where a line may break."""
    if address.startswith("+"):
        return format_html('<span class="nowrap">{}</span>', phones.spaced(address))
    return breakable(address)


def breakable(address: str) -> SafeString:
    """The address with marks where a line may break: not within a word."""
    return format_html_join(SafeString("<wbr>"), "{}", ((piece,) for piece in _SEAM.split(address)))
