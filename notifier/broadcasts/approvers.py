"""Who may approve a broadcast. Read only."""

from django.contrib.auth.models import User
from django.db.models import QuerySet

from notifier.models import Broadcast
from notifier.staff import groups

#: The backend that knows permissions; others only log people in.
_BACKEND = "django.contrib.auth.backends.ModelBackend"


def of(*, broadcast: Broadcast, most: int) -> list[User]:
    """Who may approve it, by name: nobody who asked for it, or changed its text or time since."""
    may = with_permission(groups.APPROVE_BROADCAST)
    had_a_hand = {broadcast.created_by_id, broadcast.text_by_id, *broadcast.changes.values_list("by", flat=True)}
    others = may.exclude(pk__in=[pk for pk in had_a_hand if pk])
    return list(others.order_by("username")[:most])


def with_permission(permission: str) -> QuerySet[User]:
    """Who may log in and do it."""
    return User.objects.with_perm(permission, is_active=True, backend=_BACKEND).filter(is_staff=True)
