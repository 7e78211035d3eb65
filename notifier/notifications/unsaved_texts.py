"""What somebody has typed and not saved: kept for them while they type, and offered to them again.

It is a copy beside the notification. Nothing that sends reads it, nobody else sees it, and it becomes a notification
only by a save of the form, which compares it with what others have saved in the meantime.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from notifier.messages import markdown, variants
from notifier.models import Notification, UnsavedText

#: Of one user; the oldest goes first.
MAX_KEPT = 20
#: Nobody goes on with what is older.
KEPT_FOR = timedelta(days=30)
#: Letters of all texts in one language: as many as an e-mail may have, and the rest of a notification.
MAX_LETTERS = markdown.MAX_LETTERS + 5_000
#: Of what the page carries beside the texts.
MAX_SEEN = 8_000
MAX_TOPIC = 20


class TooLong(Exception):
    """No notification can have so long a text, so it is not kept either."""


def find(*, user: User, notification_id: int | None, now: datetime) -> UnsavedText | None:
    return _of(user, notification_id).filter(kept_at__gt=now - KEPT_FOR).first()


def keep(
    *, user: User, notification_id: int | None, texts: Mapping[str, str], topic: str, seen: str, now: datetime
) -> None:
    """In place of what was kept of the same notification before. Raises `TooLong`, and keeps nothing then."""
    # PostgreSQL stores no NUL.
    values = {name: texts.get(name, "").replace("\0", "") for name in Notification.CONTENT}
    topic, seen = topic.replace("\0", ""), seen.replace("\0", "")
    others = [asdict(one).values() for one in variants.read(values["variants"]).values()]
    by_language: list[Iterable[str]] = [[values[name] for name in Notification.TEXTS], *others]
    is_long = any(sum(map(len, parts)) > MAX_LETTERS for parts in by_language)
    if is_long or len(seen) > MAX_SEEN or len(topic) > MAX_TOPIC:
        raise TooLong("This text is too long to be kept. Shorten it, or save a copy of it yourself.")
    row = values | {"topic": topic, "seen": seen, "kept_at": now}
    try:
        with transaction.atomic():
            UnsavedText.objects.update_or_create(
                user=user,
                notification_id=notification_id,  # type: ignore[misc]  # (the stubs know no NULL)
                defaults=row,
            )
    except IntegrityError:
        # Two pages of the same user at the same moment: the row is there now.
        _of(user, notification_id).update(**row)
    _drop_oldest(user, now)


def drop(*, user: User, notification_id: int | None) -> None:
    """After a save, or when the user discards it."""
    _of(user, notification_id).delete()


def _of(user: User, notification_id: int | None) -> QuerySet[UnsavedText]:
    mine = UnsavedText.objects.filter(user=user)
    # A NULL equals nothing, so it is asked for in its own way.
    return mine.filter(notification=None) if notification_id is None else mine.filter(notification_id=notification_id)


def _drop_oldest(user: User, now: datetime) -> None:
    # Everybody's: whoever has left keeps nothing more, so nobody else would clear up after them.
    UnsavedText.objects.filter(kept_at__lte=now - KEPT_FOR).delete()
    mine = UnsavedText.objects.filter(user=user)
    ids = list(mine.order_by("-kept_at", "-pk").values_list("pk", flat=True)[: MAX_KEPT + 1])
    if len(ids) > MAX_KEPT:
        mine.exclude(pk__in=ids[:MAX_KEPT]).delete()
