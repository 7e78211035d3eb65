"""What public pages have in common: the brand, strict headers, and one answer to any bad link."""

from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from notifier.models import Brand
from notifier.public import brand_styles, rate_limits
from notifier.staff import login_throttle
from notifier.web import error_pages, minute_counts

HEADERS = {
    "Cache-Control": "no-store",
    # The URL is the key to the page, so no other site may get to read it.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


def render(name: str, **context: Any) -> HttpResponse:
    """Renders without the request, so without session, user and messages: a public page must not show them."""
    brand = Brand.objects.look()
    shown = {"sender": brand.name or sender(), **brand_styles.shown(brand), **context}
    return HttpResponse(render_to_string(f"public/{name}.html", shown), headers=HEADERS)


def sender() -> str:
    """The name of the sender, as mail programs show it."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return name or address.rpartition("@")[2]


def unknown(request: HttpRequest) -> HttpResponse:
    """Exactly the same answer to a link that is forged, damaged, or of a client who is gone."""
    if rate_limits.is_guessing(address=login_throttle.client_address(request)):
        return too_many()
    # Whoever guesses costs no query, so these two show no brand.
    return _refusal("unknown", status=404)


def too_many() -> HttpResponse:
    answer = _refusal("too_many", status=login_throttle.TOO_MANY_REQUESTS)
    answer["Retry-After"] = str(minute_counts.MINUTE_SECONDS)
    return answer


def _refusal(name: str, *, status: int) -> HttpResponse:
    answer = error_pages.public_page(status=status, template=name, sender=sender())
    for header, value in HEADERS.items():
        answer[header] = value
    return answer
