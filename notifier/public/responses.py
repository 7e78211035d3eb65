"""What public pages have in common: the sender's name, strict headers, and one answer to any bad link."""

from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from notifier.public import rate_limits
from notifier.staff import login_throttle
from notifier.web import minute_counts

HEADERS = {
    "Cache-Control": "no-store",
    # The URL is the key to the page, so no other site may get to read it.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


def render(name: str, *, status: int = 200, **context: Any) -> HttpResponse:
    """Renders without the request, so without session, user and messages: a public page must not show them."""
    html = render_to_string(f"public/{name}.html", {"sender": sender(), **context})
    return HttpResponse(html, status=status, headers=HEADERS)


def sender() -> str:
    """The name of the sender, as mail programs show it."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return name or address.rpartition("@")[2]


def unknown(request: HttpRequest) -> HttpResponse:
    """Exactly the same answer to a link that is forged, damaged, or of a client who is gone."""
    if rate_limits.is_guessing(address=login_throttle.client_address(request)):
        return too_many()
    return render("unknown", status=404)


def too_many() -> HttpResponse:
    answer = render("too_many", status=login_throttle.TOO_MANY_REQUESTS)
    answer["Retry-After"] = str(minute_counts.MINUTE_SECONDS)
    return answer
