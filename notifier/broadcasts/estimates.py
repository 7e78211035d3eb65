"""What a broadcast will take: time, at the rate of lately, and SMS segments, which is what providers charge for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings

from notifier.broadcasts import audience
from notifier.messages import placeholders, sms_segments
from notifier.models import Channel, Topic
from notifier.policies import throttles, throughput

#: Recipients whose SMS is written out to learn how long it gets. A million would take a minute.
SAMPLE = 500


@dataclass(frozen=True, slots=True)
class Segments:
    """How many segments the SMS of a broadcast take."""

    total: int
    #: Of the longest SMS that was looked at.
    longest: int
    #: The recipients that were looked at; all of them, or none needed to be, where `is_exact`.
    measured: int
    is_exact: bool
    #: What a last line that says how to end them would add; None where each has one already.
    stop_line: int | None = None


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a number of messages takes."""

    #: None where nothing is known of any channel that would be used.
    time: timedelta | None
    #: Messages a second, of the channels that are used and were measured, or may be no faster.
    rates: dict[Channel, float]
    #: Used, and never measured.
    unknown: list[Channel]
    #: Those whose rate is as much as the provider may be given.
    limited: list[Channel] = field(default_factory=list)


def segments(*, text: str, topic: Topic, recipients: int) -> Segments:
    """Exact where the text is the same for everybody, or few get it; else the average of a sample, times the number."""
    if not recipients or not text:
        return Segments(0, 0, 0, is_exact=True, stop_line=None if settings.SMS_STOP_LINE else 0)
    if _rendered(text, "A", topic) == _rendered(text, "Bea B.", topic):
        names, measured, is_exact = ["A"], 0, True
    else:
        names = audience.names(topic=topic, channel=Channel.SMS, most=SAMPLE)
        measured, is_exact = len(names) or 1, len(names) == recipients
    sizes = [_size(text, name, topic) for name in names or ["A"]]
    total, longest = _total(sizes, recipients), max(sizes)
    if settings.SMS_STOP_LINE:
        return Segments(total, longest, measured, is_exact)
    ended = [_size(text, name, topic, stop_line=placeholders.STOP_LINE) for name in names or ["A"]]
    return Segments(total, longest, measured, is_exact, stop_line=_total(ended, recipients) - total)


def duration(*, sends: Mapping[Channel, int]) -> Duration:
    """Channels send at the same time, so the slowest of them tells."""
    used = [channel for channel, number in sends.items() if number]
    measured, limits = throughput.rates(), throttles.rates()
    limited = [one for one in used if one in limits and limits[one] <= measured.get(one, limits[one])]
    measured |= {channel: limits[channel] for channel in limited}
    rates = {channel: measured[channel] for channel in used if channel in measured}
    seconds = [sends[channel] / rate for channel, rate in rates.items()]
    return Duration(
        time=timedelta(seconds=max(seconds)) if seconds else None,
        rates=rates,
        unknown=[channel for channel in used if channel not in measured],
        limited=limited,
    )


def _total(sizes: Sequence[int], recipients: int) -> int:
    return round(sum(sizes) / len(sizes) * recipients)


def _rendered(text: str, name: str, topic: Topic, stop_line: str | None = None) -> str:
    return placeholders.sms(text, placeholders.values(name=name, topic=topic.name), stop_line=stop_line)


def _size(text: str, name: str, topic: Topic, stop_line: str | None = None) -> int:
    return sms_segments.measure(_rendered(text, name, topic, stop_line)).segments
