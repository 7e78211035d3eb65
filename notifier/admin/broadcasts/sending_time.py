"""How long a broadcast takes to send, or until when, in words: nothing that can't be known is promised."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.audience.estimates import Duration
from notifier.models import Channel
from notifier.templatetags import backoffice
from notifier.wording.wall_clocks import with_zone


@dataclass(frozen=True, slots=True)
class SendingTime:
    #: As in "About 3 minutes".
    headline: str
    #: What that rests on.
    detail: str = ""


def told(duration: Duration, *, total: int, is_stopped: bool, is_now: bool) -> SendingTime:
    """`is_stopped`: a channel that it uses stands still. `is_now`: it would begin at this moment."""
    if not total:
        return SendingTime("–")
    if is_stopped:
        return SendingTime("Not known", "while sending is stopped")
    if duration.first and duration.done:
        return _with_quiet_hours(duration, duration.first, duration.done, is_now=is_now)
    return _at_the_speed(duration)


def told_for_later(duration: Duration, *, some_may_wait: bool) -> SendingTime:
    """For a time that is yet to be chosen. `some_may_wait`: clients may be in quiet hours then."""
    usual = _at_the_speed(duration)
    if not some_may_wait:
        return usual
    return SendingTime(usual.headline, "from its start. Clients in quiet hours at that time get it when these end")


def _with_quiet_hours(duration: Duration, first: datetime, done: datetime, *, is_now: bool) -> SendingTime:
    begins, ends = with_zone(first), with_zone(_next_minute(done))
    unknown = "".join(f"; the speed of {channel.units} is not known yet" for channel in duration.unknown)
    if not duration.at_once:
        last = f". The last message goes out at about {ends}" if ends != begins else ""
        return SendingTime(f"Starts {begins}", f"all clients are in quiet hours until then{last}{unknown}")
    when = "now" if is_now else "at the start"
    go, wait = ("goes" if duration.at_once == 1 else "go"), ("waits" if duration.waiting == 1 else "wait")
    return SendingTime(
        f"Until about {ends}",
        f"{duration.at_once:,} {go} out {when}; {duration.waiting:,} {wait} for quiet hours to end, "
        f"the first until {begins}{unknown}",
    )


def _next_minute(moment: datetime) -> datetime:
    """By which it is over."""
    begun = moment.replace(second=0, microsecond=0)
    return begun if begun == moment else begun + timedelta(minutes=1)


def _at_the_speed(duration: Duration) -> SendingTime:
    if duration.time is None:
        return SendingTime("Not known yet", "available after your first broadcast")
    speeds = ", ".join(_speed(channel, backoffice.rate(rate)) for channel, rate in duration.rates.items())
    limited = "".join(f"; {channel.units} are limited to this speed" for channel in duration.limited)
    unknown = "".join(f"; the speed of {channel.units} is not known yet" for channel in duration.unknown)
    return SendingTime(
        f"About {backoffice.duration(duration.time)}", f"at the current speed: {speeds} per second{limited}{unknown}"
    )


def _speed(channel: Channel, rate: str) -> str:
    return f"{rate} {channel.in_words if rate == '1' else channel.units}"
