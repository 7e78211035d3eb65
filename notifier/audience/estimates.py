"""What a broadcast will take: time, at the recent rate, and SMS segments, which providers charge for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings

from notifier.audience import value_shapes
from notifier.messages import placeholders, sms_segments
from notifier.models import Channel, Topic
from notifier.policies import throttles, throughput
from notifier.saved_audiences.compiling import Members


@dataclass(frozen=True, slots=True)
class Segments:
    """How many segments the SMS of a broadcast take."""

    total: int
    #: Segments of the longest SMS that was rendered.
    longest: int
    #: How many recipients' SMS it is known of: all, where `is_exact`.
    measured: int
    is_exact: bool
    #: Segments that a last line about STOP would add; None where every SMS has one already.
    stop_line: int | None = None


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a number of messages takes."""

    #: None where no channel that would be used was ever measured.
    time: timedelta | None
    #: Messages a second of each channel that is used and was measured or is limited.
    rates: dict[Channel, float]
    #: Channels that are used and have no rate.
    unknown: list[Channel]
    #: Channels whose rate is the provider's limit.
    limited: list[Channel] = field(default_factory=list)


def segments(*, text: str, topic: Topic, recipients: int, within: Members | None = None) -> Segments:
    """Exact where all recipients of the topic, or of it in that audience, get it; for a part of them, the average of
    all times their number.

    Who lacks a value that the text needs is no recipient.
    """
    if not recipients or not text:
        return Segments(0, 0, 0, is_exact=True, stop_line=None if settings.SMS_STOP_LINE else 0)
    keys, needed = placeholders.used(text), placeholders.needed(text)
    groups = list(value_shapes.of_recipients(topic=topic, keys=keys, needed=needed, within=within)) if keys else []
    sized = [(_size(text, values, topic), number) for values, number in groups] or [
        (_size(text, {}, topic), recipients)
    ]
    measured = sum(number for _, number in sized)
    total, longest = _total(sized, recipients), max(size for size, _ in sized)
    is_exact = measured == recipients
    if settings.SMS_STOP_LINE:
        return Segments(total, longest, measured, is_exact)
    line = placeholders.STOP_LINE
    ended = [(_size(text, values, topic, line), number) for values, number in groups or [({}, recipients)]]
    return Segments(total, longest, measured, is_exact, stop_line=_total(ended, recipients) - total)


def duration(*, sends: Mapping[Channel, int]) -> Duration:
    """The time of the slowest channel, since all send at the same time."""
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


def _total(sized: Sequence[tuple[int, int]], recipients: int) -> int:
    """`sized`: segments, and how many recipients have so many."""
    number = sum(number for _, number in sized)
    return round(sum(size * number for size, number in sized) / number * recipients)


def _size(text: str, values: Mapping[str, str], topic: Topic, stop_line: str | None = None) -> int:
    filled = placeholders.values(topic=topic.name, **values)
    return sms_segments.measure(placeholders.sms(text, filled, stop_line=stop_line)).segments
