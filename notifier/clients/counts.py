"""How many clients there are and how many agreed to what: counted once a minute, for pages to read."""

from datetime import datetime, timedelta

from notifier.audience import topic_counts
from notifier.models import Client, ClientCounts, Topic

#: The dispatcher counts again when the counts are so old.
COUNT_EVERY = timedelta(minutes=1)
#: How long a client counts as new.
NEW_FOR = timedelta(days=7)
#: There is one row only.
ROW = 1


def is_due(*, now: datetime) -> bool:
    """Whether the counts are old. Counts from the future are ignored: the clock was set back."""
    return not ClientCounts.objects.filter(
        pk=ROW, counted_at__gt=now - COUNT_EVERY, counted_at__lte=now + COUNT_EVERY
    ).exists()


def count(*, now: datetime) -> None:
    """Count all clients, and of the active ones the new, and those that agreed, by topic and channel.

    For SMS landlines don't count.

    No lock and no one snapshot: the parts may be a second apart. Two at once write the same.
    """
    counts = {
        "clients": Client.objects.count(),
        "archived": Client.objects.archived().count(),
        "new": Client.objects.active().filter(created_at__gt=now - NEW_FOR).count(),
        "consents": {str(topic.pk): _consents(topic) for topic in Topic.objects.order_by("pk")},
    }
    ClientCounts.objects.update_or_create(pk=ROW, defaults={"counts": counts, "counted_at": now})


def _consents(topic: Topic) -> dict[str, int]:
    found = topic_counts.agreement(topic=topic)
    return {channel.value: agreed.active - agreed.landline for channel, agreed in found.items()}
