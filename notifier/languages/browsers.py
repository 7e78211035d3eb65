"""The language of a visitor whom nobody knows: the first of those that their browser asks for."""

from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header

from notifier.languages import offered

HEADER = "Accept-Language"
#: Django reads no longer header, nor has any browser one.
MAX_LETTERS = 500


def accepted(request: HttpRequest) -> str:
    """One of the languages offered; the default where the header names none of them."""
    for wanted, quality in parse_accept_lang_header(request.headers.get(HEADER, "")[:MAX_LETTERS].lower()):
        for code in (wanted, wanted.partition("-")[0]):
            # With 0 they say that they can't read it.
            if quality and code in offered.codes():
                return code
    return offered.default()
