"""What a broadcast will take: time, at the recent rate, and SMS segments, which providers charge for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from django.conf import settings

from notifier.audience import reachable
from notifier.languages import offered
from notifier.messages import placeholders, sms_segments
from notifier.models import Channel, Topic
from notifier.policies import throttles, throughput

#: How many recipients' SMS are rendered to learn how long they get. A million would take a minute.
SAMPLE = 500
NO_OTHERS: Mapping[str, str] = MappingProxyType({})


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

    #: None where no channel that would be used was ever measured.
    time: timedelta | None
    #: Messages a second of each channel that is used and was measured or is limited.
    rates: dict[Channel, float]
    #: Channels that are used and have no rate.
    unknown: list[Channel]
    #: Channels whose rate is the provider's limit.
    limited: list[Channel] = field(default_factory=list)


def segments(*, text: str, topic: Topic, recipients: int, others: Mapping[str, str] = NO_OTHERS) -> Segments:
    """Exact where all get the same text, or few get it; otherwise the average of a sample times the recipients.

    `others`: the text in other languages, by language. Then the recipients of each language are counted, and each get
    theirs, with the last line in it.
    """
    if not others:
        return _segments(text, topic, recipients)
    read = Counter[str]()
    for language, number in reachable.by_language(topic=topic, channel=Channel.SMS).items():
        read[offered.of(language)] += number
    reached = sum(read.values())
    parts = [_segments(others.get(code, text), topic, number, code) for code, number in read.items()]
    # Of a follow-up, and under a frequency cap, only so many of them get it: as many of each language, for all we know.
    share = recipients / reached if reached else 0
    return Segments(
        total=round(sum(part.total for part in parts) * share),
        longest=max((part.longest for part in parts), default=0),
        measured=sum(part.measured for part in parts),
        is_exact=recipients == reached and all(part.is_exact for part in parts),
        stop_line=None if settings.SMS_STOP_LINE else round(sum(part.stop_line or 0 for part in parts) * share),
    )


def _segments(text: str, topic: Topic, recipients: int, language: str | None = None) -> Segments:
    """`language`: only of those who read it; None: of all."""
    if not recipients or not text:
        return Segments(0, 0, 0, is_exact=True, stop_line=None if settings.SMS_STOP_LINE else 0)
    line = placeholders.stop_line(language)
    if _rendered(text, "A", topic, line) == _rendered(text, "Bea B.", topic, line):
        names, measured, is_exact = ["A"], 0, True
    else:
        names = reachable.names(topic=topic, channel=Channel.SMS, most=SAMPLE, language=language)
        measured, is_exact = len(names) or 1, len(names) == recipients
    sizes = [_size(text, name, topic, line) for name in names or ["A"]]
    total, longest = _total(sizes, recipients), max(sizes)
    if settings.SMS_STOP_LINE:
        return Segments(total, longest, measured, is_exact)
    own = placeholders.our_stop_line(offered.of(language))
    ended = [_size(text, name, topic, own) for name in names or ["A"]]
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


def _total(sizes: Sequence[int], recipients: int) -> int:
    return round(sum(sizes) / len(sizes) * recipients)


def _rendered(text: str, name: str, topic: Topic, stop_line: str) -> str:
    return placeholders.sms(text, placeholders.values(name=name, topic=topic.name), ending=stop_line)


def _size(text: str, name: str, topic: Topic, stop_line: str) -> int:
    return sms_segments.measure(_rendered(text, name, topic, stop_line)).segments
