"""How large a request says that it is, before anything of it is read."""

from django.http import HttpRequest

#: More digits than any size has. Python refuses to read thousands of them.
MAX_DIGITS = 18


def declared_bytes(request: HttpRequest) -> int | None:
    """By its Content-Length; 0 where it has none, as in a chunked request, and None where that is no number."""
    text = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None
