"""The page for what can't be shown, without the menu: it asks neither the database nor who is there."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from notifier.messages import signed_links

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
    """Clients read this: neither a reason nor anything about the back office is for them."""
    return HttpResponse(render_to_string(f"public/{template}.html", context), status=status, headers=HEADERS)


def is_live(request: HttpRequest) -> bool:
    """The header is asked: htmx's middleware may not have run yet."""
    return "HX-Request" in request.headers


def is_public(request: HttpRequest) -> bool:
    return signed_links.is_public(request.path_info)
