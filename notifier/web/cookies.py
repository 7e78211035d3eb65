"""The public pages know whoever holds the link, and nobody else."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from notifier.messages import signed_links


class NoCookiesMiddleware:
    """Before the sessions: a member of staff who follows a client's link in their own browser is nobody there.

    No session is read, kept alive or written for it, and no change is put down to that member of staff.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if signed_links.is_public(request.path_info):
            request.META.pop("HTTP_COOKIE", None)
        return self._get_response(request)
