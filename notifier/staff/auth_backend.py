"""Loads the session's user together with the profile, so that no page needs another query for it."""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User

from notifier.models import Profile

#: The zone database has more folders, with aliases and with clocks that belong to no place.
WORLDS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


class StaffBackend(ModelBackend):
    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("profile").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None


def profile_of(user: User) -> Profile:
    """The user's profile; an empty, unsaved one where there is none."""
    try:
        profile: Profile = user.profile
    except Profile.DoesNotExist:
        return Profile(user=user)
    return profile


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
    worlds: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(available_timezones()):
        world, _, place = name.partition("/")
        if place and world in WORLDS:
            worlds.setdefault(world, []).append((name, place.replace("_", " ").replace("/", " / ")))
    none = ("", own or f"As the server has it ({settings.TIME_ZONE})")
    return [none, ("UTC", "UTC"), *worlds.items()]


def zones_of(choices: list[tuple[str, Any]]) -> set[str]:
    """The names among the choices."""
    return {name for value, under in choices for name in ([value] if isinstance(under, str) else dict(under))}
