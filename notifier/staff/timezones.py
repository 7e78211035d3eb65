"""Pages show and read times in the time zone of their reader; which zones can be chosen, here and for clients."""

from collections.abc import Callable
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django import db
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from notifier.staff.profiles import profile_of

#: The zone database has more folders, with aliases and with clocks that belong to no place.
WORLDS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


class TimeZoneMiddleware:
    """Costs no query: the session's user comes with the profile (`auth_backend.StaffBackend`)."""

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
        return zone_of(request.user)
    except db.Error:
        # The page will meet the same error, and answers it.
        return None


def zone_of(user: AbstractBaseUser | AnonymousUser) -> ZoneInfo | None:
    """The zone that the user has chosen; None where they have chosen none, or one that this machine does not know."""
    if not isinstance(user, User):
        return None
    name = profile_of(user).time_zone
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def zone_choices(own: str = "") -> list[tuple[str, Any]]:
    """Choices of a select: none, which is called `own`; UTC; then every zone by its part of the world."""
    none = ("", own or f"Same as the server ({settings.TIME_ZONE})")
    return [none, ("UTC", "UTC"), *_worlds().items()]


@cache
def _worlds() -> dict[str, list[tuple[str, str]]]:
    """Every zone by its part of the world. Python walks the folders of the zone database for them each time: 20 ms."""
    worlds: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(available_timezones()):
        world, _, place = name.partition("/")
        if place and world in WORLDS:
            worlds.setdefault(world, []).append((name, place.replace("_", " ").replace("/", " / ")))
    return worlds


def zones_of(choices: list[tuple[str, Any]]) -> set[str]:
    """The names among the choices."""
    return {name for value, under in choices for name in ([value] if isinstance(under, str) else dict(under))}
