"""What public pages have in common: the brand, strict headers, and one answer to any bad link."""

from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_vary_headers

from notifier.languages import browsers, offered
from notifier.models import Brand, Client
from notifier.public import brand_styles, rate_limits
from notifier.staff import login_throttle
from notifier.web import error_pages, minute_counts

HEADERS = {
    "Cache-Control": "no-store",
    # The URL is the key to the page, so no other site may get to read it.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


def language_for(request: HttpRequest, client: Client | None) -> str:
    """The client's own; for a stranger, and for staff who try a test message, that of their browser."""
    return offered.of(client.language) if client else browsers.accepted(request)


def render(request: HttpRequest, name: str, *, reader: Client | None, **context: Any) -> HttpResponse:
    """Renders without the request, so without session, user and messages: a public page must not show them.

    `reader`: whose page it is, in their language.
    """
    brand = Brand.objects.look()
    shown = {"sender": brand.name or sender(), **brand_styles.shown(brand), **context}
    language = language_for(request, reader)
    with translation.override(language):
        html = render_to_string(f"public/{name}.html", {"language": language, **shown})
    answer = HttpResponse(html, headers={**HEADERS, "Content-Language": language})
    if reader is None:
        patch_vary_headers(answer, [browsers.HEADER])
    return answer


def sender() -> str:
    """The name of the sender, as mail programs show it."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return name or address.rpartition("@")[2]


def unknown(request: HttpRequest) -> HttpResponse:
    """Exactly the same answer to a link that is forged, damaged, or of a client who is gone."""
    if rate_limits.is_guessing(address=login_throttle.client_address(request)):
        return too_many(request)
    # Whoever guesses costs no query, so these two show no brand.
    return _refusal(request, "unknown", status=404)


def too_many(request: HttpRequest, reader: Client | None = None) -> HttpResponse:
    answer = _refusal(request, "too_many", status=login_throttle.TOO_MANY_REQUESTS, reader=reader)
    answer["Retry-After"] = str(minute_counts.MINUTE_SECONDS)
    return answer


def _refusal(request: HttpRequest, name: str, *, status: int, reader: Client | None = None) -> HttpResponse:
    language = offered.of(reader.language) if reader else ""
    answer = error_pages.public_page(request, status=status, template=name, language=language, sender=sender())
    for header, value in HEADERS.items():
        answer[header] = value
    return answer
