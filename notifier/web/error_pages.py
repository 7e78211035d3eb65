"""The page for what can't be shown, without the menu: it asks neither the database nor who is there."""

import logging
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_vary_headers

from notifier.languages import browsers
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


def public_page(request: HttpRequest, *, status: int, template: str, **context: Any) -> HttpResponse:
    """Clients read this: neither a reason nor anything about the back office is for them. In their browser's language.

    Where it can't be rendered, as before static files were collected, its status is said in words: an error page that
    fails would be answered with 500.
    """
    language = browsers.accepted(request)
    try:
        with translation.override(language):
            page = str(render_to_string(f"public/{template}.html", {"language": language, **context}))
        text, kind = page, "text/html"
    except Exception:
        logger.exception("The page public/%s.html can’t be rendered.", template)
        text, kind = HTTPStatus(status).phrase, "text/plain"
    answer = HttpResponse(text, status=status, headers=HEADERS, content_type=f"{kind}; charset=utf-8")
    if kind == "text/html":
        answer["Content-Language"] = language
    patch_vary_headers(answer, [browsers.HEADER])
    return answer


def is_live(request: HttpRequest) -> bool:
    """The header is asked: htmx's middleware may not have run yet."""
    return "HX-Request" in request.headers


def is_public(request: HttpRequest) -> bool:
    return signed_links.is_public(request.path_info)
