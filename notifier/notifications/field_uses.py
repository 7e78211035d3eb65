"""Which texts have a placeholder of a client field: as `fields.usage` asks before it is deleted or gets another key."""

from collections.abc import Iterator
from functools import reduce
from itertools import chain, islice
from operator import or_

from django.db.models import Q, QuerySet

from notifier.fields import usage
from notifier.messages import placeholders
from notifier.models import Broadcast, ClientField, Notification, Tag
from notifier.models.notifications import WithBodies


def uses(thing: ClientField | Tag) -> Iterator[str]:
    """The notifications, sent or not, and the broadcasts that have not ended.

    What has ended is sent to nobody but by hand, and whoever has no value is left out then: it does not keep a field.
    """
    if isinstance(thing, ClientField) and thing.key:
        yield from islice(_uses(thing.key), usage.MAX_NAMED + 1)


def _uses(key: str) -> Iterator[str]:
    going = Broadcast.objects.filter(finished_at=None)
    notifications = (f"the notification “{one}”" for one in _with(key, Notification.objects.all()))
    broadcasts = (f"the broadcast {one}" for one in _with(key, going))
    return chain(notifications, broadcasts)


def _with(key: str, rows: "QuerySet[Notification] | QuerySet[Broadcast]") -> Iterator[WithBodies]:
    """The database finds the letters, and what stands between braces is read here."""
    has_letters = reduce(or_, (Q(**{f"{name}__contains": key}) for name in Notification.CONTENT))
    for one in rows.filter(has_letters).order_by("pk").iterator(chunk_size=100):
        others = (getattr(texts, name) for texts in one.other_texts.values() for name in Notification.TEXTS)
        if key in placeholders.used(*(getattr(one, name) for name in Notification.TEXTS), *others):
            yield one
