"""What somebody has typed and not saved: kept for them while they type, and offered to them again.

It is a copy beside the notification. Nothing that sends reads it, nobody else sees it, and it becomes a notification
only by a save of the form, which compares it with what others have saved in the meantime.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is typed."""

    user: User
    #: None: into a new one.
    notification_id: int | None
    #: The name of the form, which is new each time that the page is opened.
    form: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back into a form: it stays as it is until the form has it, and where its own form goes on."""

    form: str
    kept_at: datetime


class TooLong(Exception):
    """No notification can have so long a text, so it is not kept either."""


def find(*, user: User, notification_id: int | None, now: datetime) -> list[UnsavedText]:
    """The newest first, of every form; at most MAX_KEPT."""
    kept = _of(user, notification_id).filter(kept_at__gt=now - KEPT_FOR)
    return list(kept.order_by("-kept_at", "-pk")[:MAX_KEPT])


def keep(*, place: Place, texts: Mapping[str, str], topic: str, seen: str, now: datetime) -> None:
    """In place of what was kept of the same form before. Raises `TooLong`, and keeps nothing then."""
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
                user=place.user,
                notification_id=place.notification_id,  # type: ignore[misc]  # (the stubs know no NULL)
                form=place.form,
                defaults=row,
            )
    except IntegrityError:
        # Two requests of the same form at the same moment: the row is there now.
        _at(place).update(**row)
    _drop_oldest(place.user, now)


def drop(*, place: Place) -> None:
    """After a save of that form, or when the user discards it. What other forms keep stays."""
    _at(place).delete()


def take_over(*, place: Place, restored: Restored) -> None:
    """Drops what was put back into this form, which has it now. What its own form has kept since then stays."""
    of_its_form = _of(place.user, place.notification_id).filter(form=restored.form)
    of_its_form.filter(kept_at__lte=restored.kept_at).delete()


def _at(place: Place) -> QuerySet[UnsavedText]:
    return _of(place.user, place.notification_id).filter(form=place.form)


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
