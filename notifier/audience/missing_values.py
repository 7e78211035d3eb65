"""How many recipients lack a value that the text needs, and so get no message. Read only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count

from notifier.audience import reachable, topic_counts
from notifier.messages import placeholders
from notifier.models import Broadcast, Channel, Notification
from notifier.policies import client_values
from notifier.saved_audiences.compiling import Members
from notifier.wording import numbers


@dataclass(frozen=True, slots=True)
class Lacking:
    """Of the recipients on one channel: who lacks at least one value, counted once, and who lacks which."""

    number: int = 0
    #: By the key of the placeholder; only those that somebody lacks. They may add up to more than `number`.
    each: Mapping[str, int] = field(default_factory=dict)


NOBODY = Lacking()


def in_words(*, key: str, number: int, channel: Channel) -> str:
    """What becomes of these, and how to reach them."""
    have = "has" if number == 1 else "have"
    return (
        f"{numbers.counted(number, 'recipient')} {have} no {placeholders.in_words(key)}, so no {channel.in_words} is "
        f"sent to them. To reach them too, add a fallback to the text: {placeholders.with_example(key)}."
    )


def count(
    *,
    text: Notification | Broadcast,
    channel: Channel,
    follows: Broadcast | None = None,
    within: Members | None = None,
) -> Lacking:
    """Exact at this moment, over all recipients; with `follows` only over those whom that broadcast missed.

    With `within` only over those in that audience.

    It costs a look at each recipient, and nothing where every placeholder of the text has a fallback.
    """
    keys = client_values.needed(text, channel)
    if not keys:
        return NOBODY
    recipients = reachable.missed_by(topic_id=text.topic_id, channel=channel, broadcast=follows, within=within)
    sources = client_values.read(keys)
    lacking = recipients.filter(sources.missing("client__"))
    each = {key: Count("pk", filter=source.is_missing("client__")) for key, source in sources.each.items()}
    with topic_counts.along_the_indexes():
        found = lacking.aggregate(number=Count("pk"), **{f"lacks_{key}": one for key, one in each.items()})
    numbers = {key: found[f"lacks_{key}"] for key in keys}
    return Lacking(found["number"], {key: number for key, number in numbers.items() if number})
