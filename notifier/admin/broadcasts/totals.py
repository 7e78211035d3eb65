"""How many messages go out: the number on the buttons that send."""

from collections.abc import Mapping
from dataclasses import dataclass

from notifier.models import Channel


@dataclass(frozen=True, slots=True)
class Totals:
    sends: dict[Channel, int]
    #: The same if it ignored the frequency cap.
    critical: dict[Channel, int]

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
