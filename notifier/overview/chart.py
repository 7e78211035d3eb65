"""The chart of the overview: deliveries a day, by channel and outcome, in the units of an SVG. Read only."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum
from django.utils.formats import date_format
from django.utils.timezone import get_default_timezone, localtime

from notifier.models import Broadcast, Channel, DailyStats, Delivery

State = Delivery.State

DAYS = 30
#: The pieces of a bar, from the bottom to the top.
OUTCOMES = (State.SENT, State.SKIPPED, State.CANCELLED, State.UNKNOWN, State.FAILED)
#: In units of the SVG, which the page stretches. A day has a slot, and its bar the middle of the slot.
HEIGHT, SLOT, BAR = 400, 20, 14
#: The height of the smallest number above zero: three failures among a hundred thousand must be visible.
MIN_HEIGHT = 8
#: The axis ends at one of these numbers, times a power of ten: round ones that have a round half.
AXIS_ENDS = (10, 12, 16, 20, 30, 40, 50, 60, 80, 100)
#: Broadcasts whose latest numbers are added to those of today.
MAX_FRESH = 50
#: Days from one date on the axis to the next; the last of them is today.
DATES_EVERY = 7


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
    def bar_x(self) -> int:
        return self.x + (SLOT - BAR) // 2

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
class Label:
    """A date on the axis."""

    words: str
    #: Where the middle of its day is, as an SVG takes it: 98.33%.
    x: str
    #: Of the SVG's text: today's ends at the edge, so that nothing sticks out.
    anchor: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The last DAYS days of one channel, today last."""

    channel: Channel
    days: list[Day]
    #: The number at the end of the axis.
    axis_end: int

    width = DAYS * SLOT
    height = HEIGHT
    slot = SLOT
    bar = BAR

    @property
    def axis(self) -> list[int]:
        """The numbers beside the lines, from the top."""
        return [self.axis_end, self.axis_end // 2, 0]

    @property
    def lines(self) -> list[int]:
        """Where they are drawn; that of the zero is the edge of the SVG."""
        return [0, HEIGHT // 2]

    @property
    def dates(self) -> list[Label]:
        shown = range(DAYS - 1, -1, -DATES_EVERY)
        return [self._label(place) for place in reversed(shown)]

    def _label(self, place: int) -> Label:
        if place == DAYS - 1:
            return Label("Today", "100%", "end")
        return Label(date_format(self.days[place].day, "j M"), f"{(place + 0.5) * 100 / DAYS:.2f}%", "middle")

    @property
    def totals(self) -> list[tuple[Delivery.State, int]]:
        """By outcome, those that happened."""
        sums = self.sums(days=DAYS)
        return [(state, sums[state]) for state in OUTCOMES if sums[state]]

    def sums(self, *, days: int, before: int = 0) -> dict[Delivery.State, int]:
        """By outcome: of so many days, which end so many days before today."""
        until = DAYS - before
        chosen = self.days[until - days : until]
        return {state: sum(day.numbers[place] for day in chosen) for place, state in enumerate(OUTCOMES)}

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
    for (channel, state), number in _fresh().items():
        of_today = numbers[channel][today]
        of_today[state] = of_today.get(state, 0) + number
    return [_chart(channel, days, numbers[channel.value]) for channel in Channel]


def _fresh() -> dict[tuple[str, str], int]:
    """By channel and state, what the tallies know already and the daily stats do not, as they are counted each minute.

    Without it the page would say that nothing was sent, beside a broadcast that is half sent.
    """
    moving = Broadcast.objects.to_sweep() | Broadcast.objects.filter(days_counted_at=None)
    tallies = dict(moving.order_by("-pk").values_list("pk", "tally")[:MAX_FRESH])
    rows = DailyStats.objects.filter(broadcast__in=tallies).order_by().values_list("broadcast", "channel", "state")
    counted = {tuple(key): number for *key, number in rows.annotate(sum=Sum("number"))} if tallies else {}
    fresh: dict[tuple[str, str], int] = defaultdict(int)
    for pk, tally in tallies.items():
        for channel, states in tally.get("counts", {}).items():
            for state in OUTCOMES:
                # What was retried is less by now; the next count says so.
                fresh[channel, state] += max(0, states.get(state, 0) - counted.get((pk, channel, state.value), 0))
    return {key: number for key, number in fresh.items() if number}


def _chart(channel: Channel, days: list[date], numbers: dict[date, dict[str, int]]) -> Chart:
    axis_end = _axis_end(max((sum(outcomes.values()) for outcomes in numbers.values()), default=0))
    bars = [Day(day, place * SLOT, _pieces(numbers.get(day, {}), axis_end)) for place, day in enumerate(days)]
    return Chart(channel, bars, axis_end)


def _axis_end(highest: int) -> int:
    """The first round number that is no lower than the highest bar."""
    power = int(10 ** max(0, len(str(highest)) - 2))
    return next(end for end in (step * power for step in (2, 4, 6, 8, *AXIS_ENDS)) if end >= highest)


def _pieces(numbers: dict[str, int], axis_end: int) -> list[Piece]:
    """Stacked from the bottom, each as high as its number on the axis, and at least MIN_HEIGHT.

    What that adds is taken from the highest piece, so that the bar is as high as its sum.
    """
    found = [(state, numbers[state]) for state in OUTCOMES if numbers.get(state)]
    heights = [max(MIN_HEIGHT, HEIGHT * number // axis_end) for _, number in found]
    over = sum(heights) - HEIGHT * sum(number for _, number in found) // axis_end
    if found and max(heights) - over >= MIN_HEIGHT:
        heights[heights.index(max(heights))] -= over
    pieces, y = [], HEIGHT
    for (state, number), height in zip(found, heights, strict=True):
        y -= height
        pieces.append(Piece(state, number, y, height))
    return pieces
