"""The newest deliveries of a broadcast, as the progress page shows them. Read only.

They are found by an index, so a page costs the same for ten clients and for ten million.
"""

from dataclasses import dataclass

from notifier.messages import placeholders
from notifier.models import Broadcast, Channel, Delivery
from notifier.policies import client_values

FEED_LENGTH = 50
MESSAGE_LENGTH = 120
NO_NAME = "…"


@dataclass(frozen=True, slots=True)
class FeedLine:
    """One settled delivery."""

    delivery: Delivery
    #: The client, by name or by number.
    who: str
    message: str


def feed(broadcast: Broadcast, *, with_names: bool) -> list[FeedLine]:
    """The newest FEED_LENGTH settled deliveries, newest first, each with what the client was told.

    Without names a client is their number, and NO_NAME stands in the message: for those who may not see clients.
    """
    newest = broadcast.deliveries.filter(settled_at__isnull=False).order_by("-settled_at")
    if with_names:
        newest = newest.select_related("client")
    topic = broadcast.topic.name
    return [_line(broadcast, delivery, topic, with_names) for delivery in newest[:FEED_LENGTH]]


def _line(broadcast: Broadcast, delivery: Delivery, topic: str, with_names: bool) -> FeedLine:
    who, values = f"Client #{delivery.client_id}", placeholders.values(topic=topic, **client_values.named(NO_NAME))
    if with_names:
        who, values = delivery.client.name, client_values.of_client(delivery.client, topic=topic)
    text = broadcast.subject if delivery.channel == Channel.EMAIL else broadcast.sms_body
    rendered = placeholders.render(text, values)
    return FeedLine(
        delivery, who, rendered if len(rendered) <= MESSAGE_LENGTH else rendered[: MESSAGE_LENGTH - 1] + "…"
    )
