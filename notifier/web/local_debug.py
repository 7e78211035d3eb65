"""With DEBUG an error page tells the code and the settings: it is for those at this machine."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from notifier.runtime import this_machine

REFUSAL = "DEBUG is on, and what it shows is for this machine alone. Set DEBUG=off to serve others.\n"


class LocalDebugMiddleware:
    """Refuses, where DEBUG is on, whoever asks from elsewhere or for a name that is not ours, in a line of plain text.

    Without it Django answers a foreign name with its error page. A page of that name, made to point at this machine
    once it is open in a browser here, could read it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settings.DEBUG or (_comes_from_here(request) and _asks_for_us(request)):
            return self._get_response(request)
        return HttpResponse(REFUSAL, status=HTTPStatus.BAD_REQUEST, content_type="text/plain")


def _comes_from_here(request: HttpRequest) -> bool:
    # Empty where a web server hands requests on by a socket of this machine.
    address = str(request.META.get("REMOTE_ADDR", ""))
    return not address or this_machine.is_this_machine(address)


def _asks_for_us(request: HttpRequest) -> bool:
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True
