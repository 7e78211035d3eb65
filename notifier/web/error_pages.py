"""The page for what can't be shown, without the menu: it asks neither the database nor who is there.

It loads nothing either. Where static files were not collected, or their list is broken, each page that links to one
fails, and the one that says so must not. So it brings its styles along, and the policy allows exactly these.
"""

import base64
import hashlib
import logging
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_vary_headers

from notifier.languages import browsers
from notifier.messages import signed_links

logger = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-store"}
PUBLIC_STYLES = Path(__file__).parents[1] / "static" / "notifier" / "public.css"


def page(request: HttpRequest, *, status: int, title: str, reason: str, **context: Any) -> HttpResponse:
    """For htmx the piece alone: it goes into the middle of a live page."""
    given = {
        "styles": _styles(),
        "title": title,
        "reason": reason,
        "is_change": request.method not in ("GET", "HEAD"),
        "is_live": is_live(request),
        **context,
    }
    text = render_to_string("outage_piece.html" if given["is_live"] else "outage.html", given)
    return _with_styles(HttpResponse(text, status=status, headers=HEADERS), given["styles"])


def public_page(
    request: HttpRequest, *, status: int, template: str, language: str = "", **context: Any
) -> HttpResponse:
    """Clients read this: neither a reason nor anything about the back office is for them.

    `language`: the reader's, where it is known; else it is that of their browser.
    """
    styles = public_styles()
    read_in = language or browsers.accepted(request)
    try:
        with translation.override(read_in):
            given = {"styles": styles, "language": read_in, **context}
            text, kind = str(render_to_string(f"public/{template}.html", given)), "text/html"
    except Exception:
        # An error page that fails would be answered with 500.
        logger.exception("The page public/%s.html can’t be rendered.", template)
        text, kind = HTTPStatus(status).phrase, "text/plain"
    answer = HttpResponse(text, status=status, headers=HEADERS, content_type=f"{kind}; charset=utf-8")
    if kind == "text/html":
        answer["Content-Language"] = read_in
    if not language:
        patch_vary_headers(answer, [browsers.HEADER])
    return _with_styles(answer, styles)


@cache
def _styles() -> str:
    return str(render_to_string("outage.css"))


@cache
def public_styles() -> str:
    """Those of the pages for clients, which such a page has in itself."""
    return PUBLIC_STYLES.read_text(encoding="utf-8")


def _with_styles(answer: HttpResponse, styles: str) -> HttpResponse:
    """The policy refuses styles within a page. These it allows by their digest, on this page alone."""
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    csp_update({"style-src": [f"'sha256-{digest}'"]})(lambda _: answer)(HttpRequest())
    return answer


def is_live(request: HttpRequest) -> bool:
    """The header is asked: htmx's middleware may not have run yet."""
    return "HX-Request" in request.headers


def is_public(request: HttpRequest) -> bool:
    return signed_links.is_public(request.path_info)
