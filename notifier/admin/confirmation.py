"""What staff see before they send: who would get it, who would not and why, how it reads, what speaks against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from notifier import content
from notifier.models import Broadcast, Channel, Client, Notification
from notifier.services import audience, broadcasts
from notifier.services.audience import Reach

#: Shown where no client consents, so that the message can be read all the same.
NOBODY = "Alex Example"
UNITS = {Channel.EMAIL: ("e-mail", "e-mails"), Channel.SMS: ("SMS", "SMS")}


@dataclass(frozen=True, slots=True)
class ChannelOffer:
    channel: Channel
    reach: Reach
    #: One of those who will get it on this channel.
    sample: Client | None
    subject: str
    #: As the sample client will read it; empty when the notification has no text for this channel.
    text: str

    @property
    def sends(self) -> int:
        return self.reach.recipients if self.text else 0

    @property
    def size(self) -> content.SmsSize | None:
        return content.sms_size(self.text) if self.channel == Channel.SMS and self.text else None


@dataclass(frozen=True, slots=True)
class Offer:
    """One notification, as it would go out now."""

    notification: Notification
    channels: list[ChannelOffer]
    #: Under way, or started a short while ago: sending again must be asked for.
    earlier: list[Broadcast]

    @property
    def sends(self) -> int:
        return sum(channel.sends for channel in self.channels)

    @property
    def seen(self) -> str:
        """What the browser gives back, so that nobody sends a text that they have not read."""
        return f"{self.notification.pk}@{self.notification.updated_at.isoformat()}"

    @property
    def warnings(self) -> list[str]:
        found = [self._warning(channel) for channel in self.channels]
        if not self.sends:
            found.insert(0, f"Nobody would get this: no client can be reached about {self.notification.topic} now.")
        return [warning for warning in found if warning]

    def _warning(self, offer: ChannelOffer) -> str:
        name, reach = offer.channel.in_words, offer.reach
        if not offer.text and reach.recipients:
            return f"There is no {name} text, so {reach.recipients:,} who want it by {name} will not get one."
        if offer.text and not reach.recipients + reach.suppressed + reach.no_address:
            return f"Nobody has agreed to hear about {self.notification.topic} by {name}."
        return ""


def offers(*, notifications: Sequence[Notification], now: datetime) -> list[Offer]:
    reaches = {n.topic_id: audience.reach(topic=n.topic) for n in notifications}
    samples = {
        (n.topic_id, channel): audience.sample(topic=n.topic, channel=channel)
        for n in notifications
        for channel in Channel
    }
    earlier = broadcasts.sent_recently(notification_ids=[n.pk for n in notifications], now=now)
    return [
        Offer(
            notification=n,
            channels=[
                _channel_offer(n, channel, reaches[n.topic_id][channel], samples[n.topic_id, channel])
                for channel in Channel
            ],
            earlier=[b for b in earlier if b.notification_id == n.pk],
        )
        for n in notifications
    ]


def _channel_offer(n: Notification, channel: Channel, reach: Reach, sample: Client | None) -> ChannelOffer:
    replacements = content.values(name=sample.name if sample else NOBODY, topic=n.topic.name)
    return ChannelOffer(
        channel=channel,
        reach=reach,
        sample=sample,
        subject=content.render(n.subject, replacements),
        text=content.render(n.body(channel).strip(), replacements),
    )


def send_label(offered: Sequence[Offer]) -> str:
    """What the button will do: "Send 412 e-mails and 388 SMS"."""
    parts = []
    for channel in Channel:
        number = sum(one.sends for offer in offered for one in offer.channels if one.channel == channel)
        if number:
            parts.append(f"{number:,} {UNITS[channel][number != 1]}")
    return f"Send {' and '.join(parts)}" if parts else "Nothing to send"
