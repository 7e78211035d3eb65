"""A session ends SESSION_HOURS after the last page that its user opened."""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from notifier.web.htmx import HtmxHttpRequest

#: The session is written at most so often for this, and so may end by so much too early.
WRITE_EVERY = timedelta(minutes=10)
SEEN_AT_KEY = "seen_at"


class ActivityMiddleware:
    """Extends the session of a user who opens pages. The polls of a live page don't count."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HtmxHttpRequest) -> HttpResponse:
        response = self._get_response(request)
        # Where the page failed, the session's store may be out of reach too.
        if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and not request.htmx and request.session.accessed:
            self._note(request, timezone.now())
        return response

    def _note(self, request: HttpRequest, now: datetime) -> None:
        # Checked after the page, which may have been the log-out.
        if request.user.is_authenticated and _is_old(request, now):
            request.session[SEEN_AT_KEY] = now.timestamp()


def _is_old(request: HttpRequest, now: datetime) -> bool:
    """Whether the last activity that was written, or else the log-in, is long ago."""
    seen = request.session.get(SEEN_AT_KEY)
    if seen is None:
        login = getattr(request.user, "last_login", None)
        return login is None or login < now - WRITE_EVERY
    return bool(now.timestamp() - seen >= WRITE_EVERY.total_seconds())
