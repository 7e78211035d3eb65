"""The page for what can't be shown, without the menu: it asks neither the database nor who is there."""

import logging
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from notifier.messages import signed_links

logger = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-store"}


def page(request: HttpRequest, *, status: int, title: str, reason: str, **context: Any) -> HttpResponse:
    """For htmx the piece alone: it goes into the middle of a live page."""
    given = {
        "title": title,
        "reason": reason,
        "is_change": request.method not in ("GET", "HEAD"),
        "is_live": is_live(request),
        **context,
    }
    text = render_to_string("outage_piece.html" if given["is_live"] else "outage.html", given)
    return HttpResponse(text, status=status, headers=HEADERS)


def public_page(*, status: int, template: str, **context: Any) -> HttpResponse:
    """Clients read this: neither a reason nor anything about the back office is for them.

    Where it can't be rendered, as before static files were collected, its status is said in words: an error page that
    fails would be answered with 500.
    """
    try:
        text, kind = str(render_to_string(f"public/{template}.html", context)), "text/html"
    except Exception:
        logger.exception("The page public/%s.html can’t be rendered.", template)
        text, kind = HTTPStatus(status).phrase, "text/plain"
    return HttpResponse(text, status=status, headers=HEADERS, content_type=f"{kind}; charset=utf-8")


def is_live(request: HttpRequest) -> bool:
    """The header is asked: htmx's middleware may not have run yet."""
    return "HX-Request" in request.headers


def is_public(request: HttpRequest) -> bool:
    return signed_links.is_public(request.path_info)
