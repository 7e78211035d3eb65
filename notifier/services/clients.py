"""What staff do to many clients at once."""

from datetime import datetime

from notifier.models.clients import Client, ClientQuerySet


def archive(*, clients: ClientQuerySet, now: datetime) -> int:
    """From now on they are sent nothing, not even what is under way; returns how many were active before."""
    return _set_active(clients.active(), False, now)


def restore(*, clients: ClientQuerySet, now: datetime) -> int:
    """They get again what they consented to; returns how many had been archived."""
    return _set_active(clients.archived(), True, now)


def _set_active(clients: ClientQuerySet, is_active: bool, now: datetime) -> int:
    return Client.objects.filter(pk__in=clients.order_by().values("pk")).update(is_active=is_active, updated_at=now)
