"""Keeps a NUL in a URL or a cookie away from the database: PostgreSQL stores and compares none."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from notifier.web import error_pages

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
        if error_pages.is_public(request):
            return self._get_response(request)
        for name in [name for name, value in request.COOKIES.items() if NUL in value]:
            del request.COOKIES[name]
        if not (NUL in request.path_info or "%00" in _query(request)):
            return self._get_response(request)
        reason = "This web address contains a character that none of our pages use. Check the address."
        return error_pages.page(
            request, status=HTTPStatus.BAD_REQUEST, title="Page not found", reason=reason, is_change=False
        )


def _query(request: HttpRequest) -> str:
    query = str(request.META.get("QUERY_STRING", ""))
    # One that nothing has quoted reads as the quoted one does.
    return query.replace(NUL, "%00")
