"""No cookies on the public pages, where the link alone says who somebody is, nor for pictures, which anyone may see."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from notifier.messages import pictures, signed_links

#: What a mail or a public page loads.
FOR_EVERYONE = (pictures.PATH, "/brand.css")


class NoCookiesMiddleware:
    """Removes the cookies of a request to a public page. It stands before the session middleware.

    So a member of staff who follows a client's link in their own browser is nobody there: no session is read, kept
    alive or written, and no change is recorded as theirs.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if signed_links.is_public(request.path_info) or request.path_info.startswith(FOR_EVERYONE):
            request.META.pop("HTTP_COOKIE", None)
        return self._get_response(request)
