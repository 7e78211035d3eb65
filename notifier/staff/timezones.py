"""Pages show and read times in the time zone of their reader."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django import db
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from notifier.staff import auth_backend


class TimeZoneMiddleware:
    """Costs no query: the session's user comes with the profile (`staff.StaffBackend`)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # None sets the product's own zone: the thread may still have that of another user.
        with timezone.override(_zone(request)):
            return self._get_response(request)


def _zone(request: HttpRequest) -> ZoneInfo | None:
    # Without a session there is no user, and a health check must not wait for the database.
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    try:
        return auth_backend.zone_of(request.user)
    except db.Error:
        # The page will meet the same error, and answers it.
        return None
