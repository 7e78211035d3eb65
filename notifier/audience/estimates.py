"""What a broadcast will take: time, at the recent rate, and SMS segments, which providers charge for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.conf import settings

from notifier.audience import reachable, value_shapes
from notifier.audience.value_shapes import Shape
from notifier.languages import offered
from notifier.messages import placeholders, text_sizes
from notifier.models import Channel, Topic
from notifier.policies import throttles, throughput
from notifier.saved_audiences.compiling import Members

NO_OTHERS: Mapping[str, str] = MappingProxyType({})


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


def segments(
    *,
    text: str,
    topic: Topic,
    recipients: int,
    within: Members | None = None,
    others: Mapping[str, str] = NO_OTHERS,
    only: Sequence[Any] = (),
) -> Segments:
    """Exact where all recipients of the topic, or of it in that audience, get it; for a part of them, the average of
    all times their number.

    Who lacks a value that the text needs, in whichever language, is no recipient. `others`: the text in other
    languages, by language. Then the recipients of each language are counted, and each get theirs, with the last line in
    it. `only`: conditions on their consents that tell the recipients from others who agreed.
    """
    needed = placeholders.needed(text, *others.values())

    def measured(text: str, number: int, language: str | None = None) -> Segments:
        return _segments(text, topic, number, needed=needed, within=within, only=only, language=language)

    if not others and not _differs_by_language(text):
        return measured(text, recipients)
    read = Counter[str]()
    by_language = reachable.by_language(topic=topic, channel=Channel.SMS, needed=needed, within=within, only=only)
    for language, number in by_language.items():
        read[offered.of(language)] += number
    reached = sum(read.values())
    parts = [measured(others.get(code, text), number, code) for code, number in read.items()]
    # Of a follow-up, and under a frequency cap, only so many of them get it: as many of each language, for all we know.
    share = recipients / reached if reached else 0
    return Segments(
        total=round(sum(part.total for part in parts) * share),
        longest=max((part.longest for part in parts), default=0),
        measured=sum(part.measured for part in parts),
        is_exact=recipients == reached and all(part.is_exact for part in parts),
        stop_line=None if settings.SMS_STOP_LINE else round(sum(part.stop_line or 0 for part in parts) * share),
    )


def _differs_by_language(text: str) -> bool:
    """Whether a text that is written in one language is not equally long for clients of all: its last line, which is
    ours, or a number or date in it.
    """
    if len(offered.codes()) == 1 or not text:
        return False
    return placeholders.names_fields(text) or len({placeholders.stop_line(code) for code in offered.codes()}) > 1


def _segments(
    text: str,
    topic: Topic,
    recipients: int,
    *,
    needed: Sequence[str],
    within: Members | None,
    only: Sequence[Any],
    language: str | None,
) -> Segments:
    """`language`: only of those who read it; None: of all."""
    if not recipients or not text:
        return Segments(0, 0, 0, is_exact=True, stop_line=None if settings.SMS_STOP_LINE else 0)
    keys = placeholders.used(text)
    shapes = value_shapes.of_recipients(
        topic=topic, keys=keys, needed=needed, within=within, only=only, language=language
    )
    groups = list(shapes) if keys else []
    groups = groups or [Shape({}, recipients)]
    measured = sum(number for _, number in groups)

    def sizes(line: str) -> list[tuple[int, int]]:
        size = text_sizes.Sizes(text=text, topic=topic.name, ending=line)
        return [(size.segments(values), number) for values, number in groups]

    sized = sizes(placeholders.stop_line(language))
    total, longest = _total(sized, recipients), max(size for size, _ in sized)
    is_exact = measured == recipients
    if settings.SMS_STOP_LINE:
        return Segments(total, longest, measured, is_exact)
    ended = sizes(placeholders.our_stop_line(offered.of(language)))
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


def _total(sized: Sequence[tuple[int, int]], recipients: int) -> int:
    """`sized`: segments, and how many recipients have so many."""
    number = sum(number for _, number in sized)
    return round(sum(size * number for size, number in sized) / number * recipients)
