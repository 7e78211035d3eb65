"""Security headers besides the content security policy, the size limit of requests, and browsers' reports."""

import json
import logging
import re
from collections.abc import Callable
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifier.web import error_pages
from notifier.web.request_sizes import declared_bytes

logger = logging.getLogger(__name__)

HEADERS = {
    # The name that the policy's report-to uses.
    "Reporting-Endpoints": 'csp="/csp-report"',
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in (
            "camera",
            "display-capture",
            "geolocation",
            "microphone",
            "payment",
            "publickey-credentials-get",
            "usb",
        )
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}
#: A report of one violation is much smaller.
MAX_REPORT_BYTES = 16_384
#: How many reports each process logs in a minute: somebody may send thousands.
MAX_REPORTS = 10
MINUTE_SECONDS = 60


class HeadersMiddleware:
    """Adds the headers to every response. Only Django's own middleware and the refusal of DEBUG stand before it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if request.path.startswith(settings.STATIC_URL):
            # The frame of an e-mail has no origin, so that nothing in it can act as ours, and yet must load its styles.
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class SizeLimitMiddleware:
    """Refuses requests that are too large before anything reads them: Django itself has no limit for files.

    A view with the attribute `refuses_what_is_too_large` does that itself, with a message of its own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *_: Any) -> HttpResponse | None:
        """Runs before the CSRF check, which reads the whole request."""
        is_small = (declared_bytes(request) or 0) <= settings.UPLOAD_MAX_MB * 1_000_000
        if is_small or getattr(view, "refuses_what_is_too_large", False):
            return None
        reason = (
            f"This is larger than {settings.UPLOAD_MAX_MB} MB. Nothing was saved or changed. Use a smaller file, or "
            "split it into parts."
        )
        return error_pages.page(request, status=413, title="File too large", reason=reason, is_change=False)


# --- What browsers report ---------------------------------------------------------------------------------------------
class Allowance:
    """Allows so many a minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._until = 0.0
        self._left = 0

    def take(self, *, at: float) -> bool:
        if at >= self._until:
            self._until, self._left = at + MINUTE_SECONDS, self._most
        self._left -= 1
        return self._left >= 0


reports = Allowance(MAX_REPORTS)


@csrf_exempt
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """Log that a browser refused something on one of our pages. Nothing is stored or sent back."""
    if (declared_bytes(request) or 0) > MAX_REPORT_BYTES:
        return HttpResponse(status=413)
    if reports.take(at=monotonic()):
        for directive, page in _violations(request.body):
            logger.warning("A browser refused something on the page %s: it breaks %s.", page, directive)
    return HttpResponse(status=204)


def _violations(body: bytes) -> list[tuple[str, str]]:
    """(directive, page) of each, never quoted: anybody may send anything, and URLs hold personal data."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return []
    # The Reporting API sends a list; the older report-uri sends one, with hyphens in its names.
    reported = (
        [item.get("body") for item in sent[:MAX_REPORTS] if isinstance(item, dict)] if isinstance(sent, list) else []
    )
    older = [sent.get("csp-report")] if isinstance(sent, dict) else []
    found = [item for item in (*reported, *older) if isinstance(item, dict)]
    return [
        (
            _directive(item.get("effectiveDirective") or item.get("effective-directive")),
            _page(item.get("documentURL") or item.get("document-uri")),
        )
        for item in found
    ]


def _directive(value: Any) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[a-z-]{1,40}", value) else "an unknown directive"


def _page(value: Any) -> str:
    """The page's name in the URL configuration; "?" for an unknown one."""
    try:
        return resolve(urlsplit(value).path).view_name if isinstance(value, str) else "?"
    except (Resolver404, ValueError):
        return "?"
