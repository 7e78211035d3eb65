"""Keeps a NUL in a URL or a cookie away from the database: PostgreSQL stores and compares none."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from notifier.messages import signed_links

NUL = "\0"


class OddUrlMiddleware:
    """Answers with 400 where the path or the query has a NUL, which no link of ours has.

    Pages for clients answer themselves: there a damaged link and a forged one must look alike. A cookie with a NUL,
    which comes as an escape that no server on the way sees, counts as not sent.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Their pages read no cookie either.
        if signed_links.is_public(request.path_info):
            return self._get_response(request)
        for name in [name for name, value in request.COOKIES.items() if NUL in value]:
            del request.COOKIES[name]
        if not (NUL in request.path_info or "%00" in _query(request)):
            return self._get_response(request)
        context = {
            "title": "Page not found",
            "reason": "This web address contains a character that none of our pages use. Check the address.",
        }
        text = render_to_string("outage.html", context)
        return HttpResponse(text, status=HTTPStatus.BAD_REQUEST, headers={"Cache-Control": "no-store"})


def _query(request: HttpRequest) -> str:
    query = str(request.META.get("QUERY_STRING", ""))
    # One that nothing has quoted reads as the quoted one does.
    return query.replace(NUL, "%00")
