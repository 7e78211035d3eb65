"""The bar of a broadcast, or of one channel of it: what was sent of what was to be sent, by outcome. Read only.

Who was skipped was not to be sent to, so a skip is no progress. What was cancelled stays empty, as what waits does: of
a broadcast that was cancelled early the bar does not look full.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from notifier.models import Delivery

State = Delivery.State

#: The pieces, from the left.
OUTCOMES = (State.SENT, State.UNKNOWN, State.FAILED)
#: In units of the SVG, which the page stretches.
WIDTH = 1000
#: Of the smallest number above zero: three failures among a hundred thousand must be visible.
MIN_WIDTH = 8


@dataclass(frozen=True, slots=True)
class BarPiece:
    state: Delivery.State
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Bar:
    #: How many deliveries are in each state, as the dispatcher last counted.
    counts: Mapping[str, int]
    #: What share of the clients these are about. While that is not all of them, the rest of the bar stays empty.
    known_share: float = 1.0
    #: Whether no more clients are looked at, so that of those who were not nothing is to come.
    is_final: bool = False

    width = WIDTH

    @property
    def grows(self) -> bool:
        """Whether the numbers are about a part of the clients, and more are to come."""
        return self.known_share < 1 and not self.is_final

    @property
    def is_partial(self) -> bool:
        """Whether it ended before all clients were looked at, so that the numbers are only about some of them."""
        return self.known_share < 1 and self.is_final

    @property
    def sent(self) -> int:
        return self.counts.get(State.SENT, 0)

    @property
    def to_send(self) -> int:
        """All but those who were skipped."""
        return sum(self.counts.values()) - self.counts.get(State.SKIPPED, 0)

    @property
    def problems(self) -> int:
        """How many went wrong, so that somebody should do something about them."""
        return sum(self.counts.get(state, 0) for state in Delivery.PROBLEMS)

    @property
    def share(self) -> float:
        return self.known_share * self.sent / self.to_send if self.to_send else 0.0

    @property
    def pieces(self) -> list[BarPiece]:
        found = [(state, self.counts[state]) for state in OUTCOMES if self.counts.get(state)]
        widths = [max(MIN_WIDTH, int(number * WIDTH * self.known_share) // self.to_send) for _, number in found]
        if widths and (over := sum(widths) - WIDTH) > 0:
            widths[widths.index(max(widths))] -= over
        return [
            BarPiece(state, sum(widths[:place]), width)
            for place, ((state, _), width) in enumerate(zip(found, widths, strict=True))
        ]

    @property
    def words(self) -> str:
        """E.g. "697 of 923 sent, 14 unknown, 212 failed"; "40 sent so far" while nobody knows of how many."""
        others = ((state, self.counts.get(state, 0)) for state in OUTCOMES[1:])
        bad = "".join(f", {number:,} {state.label.lower()}" for state, number in others if number)
        return f"{self.words_of_sent}{bad}"

    @property
    def words_of_sent(self) -> str:
        """E.g. "697 of 923 sent"."""
        return f"{self.sent:,} sent so far" if self.grows else f"{self.sent:,} of {self.to_send:,} sent"
