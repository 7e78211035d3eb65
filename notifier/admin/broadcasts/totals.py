"""How many messages go out: the number on the buttons that send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from notifier.audience import held_back, missing_values, unreached
from notifier.audience.missing_values import Lacking
from notifier.audience.unreached import Missing
from notifier.models import Broadcast, Channel
from notifier.policies import client_values
from notifier.runtime import clock


@dataclass(frozen=True, slots=True)
class Totals:
    sends: dict[Channel, int]
    #: The same if it ignored the frequency cap.
    critical: dict[Channel, int]
    #: Who is in neither, because the text needs a value that they lack.
    lacking: Mapping[Channel, Lacking] = field(default_factory=dict, kw_only=True)

    @property
    def total(self) -> int:
        return sum(self.sends.values())

    @property
    def critical_total(self) -> int:
        return sum(self.critical.values())

    @property
    def in_words(self) -> str:
        """As in "412 e-mails and 388 SMS"."""
        return in_words(self.sends)

    @property
    def critical_in_words(self) -> str:
        return in_words(self.critical)


def in_words(sends: Mapping[Channel, int]) -> str:
    return " and ".join(channel.counted(number) for channel, number in sends.items() if number)


def of_follow_up(broadcast: Broadcast, counted: Sequence[Missing]) -> Totals:
    """What goes out to those whom this broadcast missed; `counted` are they, whatever the cap and the text."""
    now = clock.now()
    within = unreached.followed_members(broadcast, now)
    lacking = {
        one.channel: missing_values.count(text=broadcast, channel=one.channel, follows=broadcast, within=within)
        for one in counted
        if one.recipients
    }
    critical = {
        one.channel: max(0, one.recipients - lacking.get(one.channel, missing_values.NOBODY).number) for one in counted
    }
    over = {
        channel: held_back.over_cap(
            topic_id=broadcast.topic_id,
            channel=channel,
            now=now,
            follows=broadcast,
            needed=client_values.needed(broadcast, channel),
            within=within,
        )
        for channel, number in critical.items()
        if number
    }
    sends = {channel: max(0, number - over.get(channel, 0)) for channel, number in critical.items()}
    return Totals(sends, critical, lacking=lacking)
