"""The chart of the overview: deliveries a day, by channel and outcome, in the units of an SVG. Read only."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum
from django.utils.formats import date_format
from django.utils.timezone import get_default_timezone, localtime

from notifier.models import Channel, DailyStats, Delivery

State = Delivery.State

DAYS = 30
#: The pieces of a bar, from the bottom to the top.
OUTCOMES = (State.SENT, State.SKIPPED, State.CANCELLED, State.UNKNOWN, State.FAILED)
#: In units of the SVG, which the page stretches. A day has a slot, and its bar most of the slot.
HEIGHT, SLOT, BAR = 400, 20, 15
#: The height of the smallest number above zero: three failures among a hundred thousand must be visible.
MIN_HEIGHT = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """One outcome of one day."""

    state: Delivery.State
    number: int
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    x: int
    pieces: list[Piece]

    @property
    def total(self) -> int:
        return sum(piece.number for piece in self.pieces)

    @property
    def numbers(self) -> list[int]:
        """By outcome, in the order of OUTCOMES."""
        numbers = {piece.state: piece.number for piece in self.pieces}
        return [numbers.get(state, 0) for state in OUTCOMES]

    @property
    def words(self) -> str:
        parts = ", ".join(f"{piece.number:,} {piece.state.label.lower()}" for piece in self.pieces)
        return f"{date_format(self.day, 'j M')}: {parts or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Chart:
    """The last DAYS days of one channel, today last."""

    channel: Channel
    days: list[Day]

    width = DAYS * SLOT
    height = HEIGHT
    slot = SLOT
    bar = BAR

    @property
    def top(self) -> int:
        """The number of the highest bar."""
        return max(day.total for day in self.days)

    @property
    def totals(self) -> list[tuple[Delivery.State, int]]:
        """By outcome, those that happened."""
        sums = [sum(numbers) for numbers in zip(*(day.numbers for day in self.days), strict=True)]
        return [(state, number) for state, number in zip(OUTCOMES, sums, strict=True) if number]

    @property
    def busy_days(self) -> list[Day]:
        """The days with deliveries, newest first: the rows of the table."""
        return [day for day in reversed(self.days) if day.pieces]

    @property
    def words(self) -> str:
        """The chart in words, for screen readers."""
        first, last = (date_format(self.days[place].day, "j M Y") for place in (0, -1))
        parts = ", ".join(f"{number:,} {state.label.lower()}" for state, number in self.totals)
        return f"From {first} to {last}: {parts or 'nothing was sent'}."


def charts(*, now: datetime) -> list[Chart]:
    """A chart for each channel, with the same days. They are days of settings.TIME_ZONE, as they were counted."""
    today = localtime(now, get_default_timezone()).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    rows = DailyStats.objects.filter(day__gte=days[0], day__lte=today).order_by()
    numbers: dict[str, dict[date, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for channel, day, state, number in rows.values_list("channel", "day", "state").annotate(sum=Sum("number")):
        numbers[channel][day][state] = number
    return [_chart(channel, days, numbers[channel.value]) for channel in Channel]


def _chart(channel: Channel, days: list[date], numbers: dict[date, dict[str, int]]) -> Chart:
    top = max((sum(outcomes.values()) for outcomes in numbers.values()), default=0)
    bars = [Day(day, place * SLOT, _pieces(numbers.get(day, {}), top)) for place, day in enumerate(days)]
    return Chart(channel, bars)


def _pieces(numbers: dict[str, int], top: int) -> list[Piece]:
    """Stacked from the bottom; each piece has MIN_HEIGHT, and more in proportion to its number."""
    pieces, y = [], HEIGHT
    for state in OUTCOMES:
        if number := numbers.get(state, 0):
            height = MIN_HEIGHT + (HEIGHT - MIN_HEIGHT * len(OUTCOMES)) * number // top
            y -= height
            pieces.append(Piece(state, number, y, height))
    return pieces
