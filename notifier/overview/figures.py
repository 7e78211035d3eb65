"""The figures at the top of the overview: the few numbers that a business reads first. Read only.

They are added up from what the dispatcher counts. Where there is nothing to count, they say so in words.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from notifier.clients import counts
from notifier.models import Broadcast, Channel, Delivery
from notifier.overview.chart import Chart
from notifier.overview.dashboard import MAX_COUNTED, Clients
from notifier.progress.sheets import Sheet
from notifier.wording import wall_clocks

State = Delivery.State

#: How many days they are about.
DAYS = 7
#: A growth to so many times the number before, or more, is told in times.
MANY_TIMES = 3


@dataclass(frozen=True, slots=True)
class Figure:
    key: str
    name: str
    #: The number, or what is said in its place.
    value: str
    #: The line below.
    words: str
    is_number: bool = True


def of_broadcasts(
    *,
    charts: Sequence[Chart],
    to_come: Iterable[Broadcast],
    number_to_come: int,
    now: datetime,
    under_way: Iterable[Sheet] = (),
    stalled: Collection[Channel] = (),
) -> list[Figure]:
    """`to_come`: the first of those that have not begun, the next one first. `stalled`: what nothing is sent by now."""
    week, before = (_sums(charts, before=ago) for ago in (0, DAYS))
    stuck = sum(sheet.stuck for sheet in under_way)
    return [
        _sent(week[State.SENT], before[State.SENT]),
        _success(week, stuck, stalled),
        _scheduled(to_come, number_to_come, now),
    ]


def of_clients(clients: Clients | None) -> Figure:
    name = "Active clients"
    if clients is None:
        return Figure("clients", name, gettext("Counting…"), gettext("Updated every minute"), is_number=False)
    if not clients.active:
        return Figure("clients", name, gettext("None yet"), gettext("Add or import the first ones"), is_number=False)
    return Figure("clients", name, f"{clients.active:,}", _added(clients.new))


def _added(new: int | None) -> str:
    """Nothing where they were counted by the release before, which did not know."""
    return "" if new is None else f"{f'{new:,}' if new else 'None'} added in the last {counts.NEW_FOR.days} days"


def _sums(charts: Sequence[Chart], *, before: int) -> dict[Delivery.State, int]:
    sums = [chart.sums(days=DAYS, before=before) for chart in charts]
    return {state: sum(one[state] for one in sums) for state in (State.SENT, State.FAILED, State.UNKNOWN)}


def _sent(now: int, before: int) -> Figure:
    name, compared = f"Messages sent, last {DAYS} days", f"the {DAYS} days before"
    if not now:
        return Figure(
            "sent", name, gettext("None"), f"{f'{before:,}' if before else 'None'} in {compared}", is_number=False
        )
    return Figure("sent", name, f"{now:,}", f"{_change(now, before)} in {compared}")


def _change(now: int, before: int) -> str:
    if not before:
        return "None"
    if now >= MANY_TIMES * before:
        return f"{now // before:,} times as many as"
    share = abs(now - before) * 100 / before
    if share < 1:
        return "About as many as"
    return f"{share:.0f}% {'more' if now > before else 'fewer'} than"


def _success(week: Mapping[Delivery.State, int], stuck: int, stalled: Collection[Channel]) -> Figure:
    """Of what was handed to a provider: who was skipped was not to be sent to.

    What can't be handed over, as nothing is sent by its channel, counts as not sent: it is no success so far. What
    waits for the end of quiet hours is not due, and counts as neither.
    """
    name, tried = f"Success rate, last {DAYS} days", sum(week.values())
    stops = [f"{_together(stalled)} stopped"] if stalled else []
    if not tried + stuck:
        return Figure("success", name, gettext("Not known"), ", ".join(["Nothing was sent", *stops]), is_number=False)
    # Rounded down, so that it is 100% only when nothing is missing.
    whole, tenth = divmod(week[State.SENT] * 1000 // (tried + stuck), 10)
    value = f"{whole}%" if week[State.SENT] == tried + stuck else f"{whole}.{tenth}%"
    bad = [f"{week[state]:,} {state.label.lower()}" for state in (State.FAILED, State.UNKNOWN) if week[state]]
    waiting = [f"{stuck:,} waiting"] if stuck else []
    return Figure("success", name, value, ", ".join([*(bad + waiting or ["None failed"]), *stops]))


def _together(stalled: Collection[Channel]) -> str:
    """As in "SMS stopped"."""
    return "sending" if len(stalled) == len(Channel) else " and ".join(channel.in_words for channel in stalled)


def _scheduled(to_come: Iterable[Broadcast], number: int, now: datetime) -> Figure:
    if not number:
        return Figure(
            "scheduled",
            gettext("Scheduled"),
            gettext("None"),
            gettext("No broadcast is waiting to start"),
            is_number=False,
        )
    times = [one.scheduled_for for one in to_come if one.state == Broadcast.State.SCHEDULED and one.scheduled_for]
    words = "Once approved"
    if times:
        # Where nothing starts what is due, no time of the past is the next one.
        ahead = next((time for time in times if time > now), None)
        words = f"Next: {wall_clocks.shown(ahead)}" if ahead else f"Due since {wall_clocks.shown(times[0])}"
    return Figure("scheduled", gettext("Scheduled"), f"{number:,}{' or more' if number == MAX_COUNTED else ''}", words)
