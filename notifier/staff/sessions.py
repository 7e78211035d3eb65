"""A log-in that nobody uses ends: a session lasts SESSION_HOURS from the last page that somebody asked for."""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from notifier.web.htmx import HtmxHttpRequest

#: So seldom is the session written for it; it may end by as much too early.
WRITE_EVERY = timedelta(minutes=10)
SEEN_AT_KEY = "seen_at"


class ActivityMiddleware:
    """Keeps the session of who is at work. A live page that asks by itself is nobody at work: its polls don't count."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HtmxHttpRequest) -> HttpResponse:
        response = self._get_response(request)
        # Where the page failed, the session may be out of reach as well.
        if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and not request.htmx and request.session.accessed:
            self._note(request, timezone.now())
        return response

    def _note(self, request: HttpRequest, now: datetime) -> None:
        # Afterwards, for the page may have been a log-out.
        if request.user.is_authenticated and _is_old(request, now):
            request.session[SEEN_AT_KEY] = now.timestamp()


def _is_old(request: HttpRequest, now: datetime) -> bool:
    """Whether the session was last written long ago: for somebody's activity, or, before any, for the log-in."""
    seen = request.session.get(SEEN_AT_KEY)
    if seen is None:
        login = getattr(request.user, "last_login", None)
        return login is None or login < now - WRITE_EVERY
    return bool(now.timestamp() - seen >= WRITE_EVERY.total_seconds())
