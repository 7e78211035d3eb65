"""How large a request says that it is, before anything of it is read."""

from django.http import HttpRequest

from notifier.wording import numbers


def declared_bytes(request: HttpRequest) -> int | None:
    """By its Content-Length; 0 where it has none, as in a chunked request, and None where that is no number."""
    return numbers.read_digits(str(request.META.get("CONTENT_LENGTH") or "0"))
