"""Whether the dispatcher, the broker and the consumers work, in words for staff. Read only.

It comes from the heartbeats and the breakers alone, so that no page asks the broker.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.conf import settings

from notifier.models import Breaker, Channel, Process
from notifier.staff import groups
from notifier.wording import numbers, wall_clocks

_START_WITH = "Start one with: "


@dataclass(frozen=True, slots=True)
class Health:
    """Whether one part works, and what staff should know or do about it."""

    part: str
    ok: bool
    words: str
    #: The channel that has paused itself, where this is about that.
    paused: Channel | None = None
    #: The command at the end of `words` that helps, where there is one.
    command: str = field(default="", compare=False)
    #: Whether it could be looked at: what only the dispatcher sees is not known without one.
    is_known: bool = field(default=True, compare=False)
    #: Why nothing is sent while it does not work, in a few words; and of which channel, where not of all.
    stops: str = field(default="", compare=False)
    channel: Channel | None = field(default=None, compare=False)


def health(*, channels: Iterable[Channel], now: datetime) -> list[Health]:
    """The dispatcher, the broker, the consumers of `channels`, and which of these channels paused themselves."""
    alive = list(Process.objects.alive(now))
    dispatchers = [process for process in alive if process.kind == Process.Kind.DISPATCHER]
    found = [_dispatcher_health(dispatchers), _broker_health(dispatchers)]
    breakers = {breaker.channel: breaker for breaker in Breaker.objects.open()}
    for channel in channels:
        if breaker := breakers.get(channel.value):
            found.append(_breaker_health(breaker, now))
        found.append(_consumer_health(channel, [process for process in alive if process.channel == channel]))
    return found


def troubled(health: Iterable[Health]) -> list[Health]:
    """Those parts that don't work; what can't be looked at is not among them, as what keeps it from that is."""
    return [part for part in health if not part.ok and part.is_known]


def for_reader(health: Iterable[Health], *, may: Callable[[str], bool]) -> list[Health]:
    """The same in words for this reader: a command is nothing to those who don't look after the processes."""
    if may(groups.VIEW_PROCESS):
        return list(health)
    return [_without_command(part) if part.command else part for part in health]


def _without_command(part: Health) -> Health:
    what = part.words.removesuffix(f"{_START_WITH}{part.command}")
    return replace(part, words=f"{what}Ask your administrator to start one.", command="")


def stalled(health: Iterable[Health]) -> dict[Channel, str]:
    """Of which channels nothing is sent, and why: "no consumer is running". What stops all of them comes first."""
    found: dict[Channel, str] = {}
    for part in sorted((part for part in health if part.stops), key=lambda part: part.channel is not None):
        for channel in [part.channel] if part.channel else Channel:
            found.setdefault(channel, part.stops)
    return found


def dead_letters(*, now: datetime) -> int:
    """How many dead letters there are, as the dispatcher last counted; 0 while none is running."""
    dispatchers = list(Process.objects.alive(now).filter(kind=Process.Kind.DISPATCHER))
    return _newest_depths(dispatchers).get(Process.DEAD, 0)


def _dispatcher_health(dispatchers: list[Process]) -> Health:
    if not dispatchers:
        start = "python manage.py run_dispatcher"
        words = f"No dispatcher is running. {_START_WITH}{start}"
        return Health("Dispatcher", False, words, command=start, stops="no dispatcher is running")
    troubled = [process for process in dispatchers if process.waits_for_database]
    if len(troubled) == len(dispatchers):
        words = "the dispatcher can’t reach the database"
        return Health("Dispatcher", False, troubled[0].detail, stops=words)
    return Health("Dispatcher", True, _running(len(dispatchers)))


def _broker_health(dispatchers: list[Process]) -> Health:
    name = "Queue in the database" if settings.BROKER_URL.startswith("database:") else "RabbitMQ"
    troubled = [p for p in dispatchers if p.state == Process.State.WAITING and not p.waits_for_database]
    if troubled:
        # While another dispatcher can use it, sending goes on.
        stops = "" if len(troubled) < len(dispatchers) else f"{name} can’t be used"
        return Health(name, False, troubled[0].detail, stops=stops)
    if not dispatchers:
        return Health(name, False, "Not known: only a running dispatcher checks it.", is_known=False)
    depths = _newest_depths(dispatchers)
    waiting = sum(depths.get(channel.value, 0) for channel in Channel)
    return Health(name, True, f"Reachable, {numbers.counted(waiting, 'ticket')} waiting")


def _newest_depths(dispatchers: list[Process]) -> dict[str, int]:
    return max(dispatchers, key=lambda process: process.last_seen_at).depths if dispatchers else {}


def _breaker_health(breaker: Breaker, now: datetime) -> Health:
    channel = Channel(breaker.channel)
    why = f"{breaker.failed} of the last {breaker.given} sends failed"
    if breaker.probes:
        why += f", and {numbers.counted(breaker.probes, 'attempt')} since then failed too"
    if said := " ".join(breaker.detail.split()).rstrip("."):
        why += f" ({said})"
    when = "as soon as one is due"
    if breaker.probe_at is not None and breaker.probe_at > now:
        when = f"at {wall_clocks.shown_time(breaker.probe_at, now, shape='H:i:s')}"
    words = (
        f"{channel.label} was paused automatically at {wall_clocks.shown_time(breaker.opened_at or now, now)}: {why}. "
        f"A single message is tried {when}. Once one succeeds, sending resumes automatically."
    )
    return Health(str(channel.label), False, words, paused=channel, stops="paused automatically", channel=channel)


def _consumer_health(channel: Channel, consumers: list[Process]) -> Health:
    part = f"{channel.label} consumers"
    if not consumers:
        start = f"python manage.py run_consumer {channel.value}"
        return Health(
            part,
            False,
            f"No {channel.in_words} consumer is running. {_START_WITH}{start}",
            command=start,
            stops="no consumer is running",
            channel=channel,
        )
    troubled = [process for process in consumers if process.state == Process.State.WAITING]
    if len(troubled) == len(consumers):
        return Health(part, False, troubled[0].detail, stops="no consumer can send", channel=channel)
    return Health(part, True, _running(len(consumers)))


def _running(number: int) -> str:
    return f"{number} running"
