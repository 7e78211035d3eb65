"""What a broadcast will take: time, at the recent rate, and SMS segments, which providers charge for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.conf import settings

from notifier.audience import reachable
from notifier.messages import placeholders, sms_segments
from notifier.models import Channel, Topic
from notifier.policies import throttles, throughput

#: How many recipients' SMS are rendered to learn how long they get. A million would take a minute.
SAMPLE = 500


@dataclass(frozen=True, slots=True)
class Segments:
    """How many segments the SMS of a broadcast take."""

    total: int
    #: Segments of the longest SMS that was rendered.
    longest: int
    #: How many were rendered: all, or none because the text is the same for everybody, where `is_exact`.
    measured: int
    is_exact: bool
    #: Segments that a last line about STOP would add; None where every SMS has one already.
    stop_line: int | None = None


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a number of messages takes."""

    #: While something is being sent, as if nobody waited; None where no channel that would be used was ever measured.
    time: timedelta | None
    #: Messages a second of each channel that is used and was measured or is limited.
    rates: dict[Channel, float]
    #: Channels that are used and have no rate.
    unknown: list[Channel]
    #: Channels whose rate is the provider's limit.
    limited: list[Channel] = field(default_factory=list)
    #: How many are sent at once, and how many wait for the end of quiet hours.
    at_once: int = 0
    waiting: int = 0
    #: When the first of those who wait may be sent to, and the last of them; None where nobody waits.
    first: datetime | None = None
    last: datetime | None = None
    #: When the last message is sent, where somebody waits; by the rates that are known, and else when it may be sent.
    done: datetime | None = None


def segments(*, text: str, topic: Topic, recipients: int, only: Iterable[Any] = ()) -> Segments:
    """Exact where all get the same text, or few get it; otherwise the average of a sample times the recipients.

    `only` are conditions that tell the recipients from others who agreed.
    """
    if not recipients or not text:
        return Segments(0, 0, 0, is_exact=True, stop_line=None if settings.SMS_STOP_LINE else 0)
    if _rendered(text, "A", topic) == _rendered(text, "Bea B.", topic):
        names, measured, is_exact = ["A"], 0, True
    else:
        names = reachable.names(topic=topic, channel=Channel.SMS, most=SAMPLE, only=only)
        measured, is_exact = len(names) or 1, len(names) == recipients
    sizes = [_size(text, name, topic) for name in names or ["A"]]
    total, longest = _total(sizes, recipients), max(sizes)
    if settings.SMS_STOP_LINE:
        return Segments(total, longest, measured, is_exact)
    ended = [_size(text, name, topic, stop_line=placeholders.STOP_LINE) for name in names or ["A"]]
    return Segments(total, longest, measured, is_exact, stop_line=_total(ended, recipients) - total)


def duration(
    *,
    sends: Mapping[Channel, int],
    waits: Mapping[Channel, Mapping[datetime, int]] = MappingProxyType({}),
    start: datetime | None = None,
) -> Duration:
    """The time of the slowest channel, since all send at the same time.

    `waits` says how many of `sends` wait for the end of quiet hours if it begins at `start`, by when these end.
    """
    used = [channel for channel, number in sends.items() if number]
    measured, limits = throughput.rates(), throttles.rates()
    limited = [one for one in used if one in limits and limits[one] <= measured.get(one, limits[one])]
    measured |= {channel: limits[channel] for channel in limited}
    rates = {channel: measured[channel] for channel in used if channel in measured}
    seconds = [sends[channel] / rate for channel, rate in rates.items()]
    late = {channel: waits[channel] for channel in used if waits.get(channel)}
    moments = [moment for each in late.values() for moment in each]
    waiting = sum(sum(each.values()) for each in late.values())
    ends = [_end(sends[one], late.get(one, {}), rates.get(one), start) for one in used] if start and moments else []
    return Duration(
        time=timedelta(seconds=max(seconds)) if seconds else None,
        rates=rates,
        unknown=[channel for channel in used if channel not in measured],
        limited=limited,
        at_once=sum(sends.values()) - waiting,
        waiting=waiting,
        first=min(moments, default=None),
        last=max(moments, default=None),
        done=max(ends, default=None),
    )


def _end(sends: int, waits: Mapping[datetime, int], rate: float | None, start: datetime) -> datetime:
    """When the last of these is sent: each that waits is sent once it may be, and all before it are."""
    end = start + _span(sends - sum(waits.values()), rate)
    for moment, number in sorted(waits.items()):
        end = max(end, moment) + _span(number, rate)
    return end


def _span(number: int, rate: float | None) -> timedelta:
    return timedelta(seconds=number / rate) if rate else timedelta()


def _total(sizes: Sequence[int], recipients: int) -> int:
    return round(sum(sizes) / len(sizes) * recipients)


def _rendered(text: str, name: str, topic: Topic, stop_line: str | None = None) -> str:
    return placeholders.sms(text, placeholders.values(name=name, topic=topic.name), stop_line=stop_line)


def _size(text: str, name: str, topic: Topic, stop_line: str | None = None) -> int:
    return sms_segments.measure(_rendered(text, name, topic, stop_line)).segments
