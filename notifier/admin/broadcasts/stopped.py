"""What keeps a channel from sending, for whoever is about to send: in one line, with what to do about it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.utils.translation import gettext

from notifier.models import Channel
from notifier.overview import process_health
from notifier.overview.process_health import Health


def lines(sends: Mapping[Channel, int], *, now: datetime) -> list[str]:
    """Of the channels that are used, each line once."""
    return list(dict.fromkeys(find(channels=[one for one in sends if sends[one]], now=now).values()))


def find(*, channels: Iterable[Channel], now: datetime) -> dict[Channel, str]:
    """Of each channel that stands still, why and what to do; what stops them all is the same line for each."""
    used = list(channels)
    health = process_health.health(channels=used, now=now)
    why = {channel: reason for channel, reason in process_health.stalled(health).items() if channel in used}
    is_all_alike = len(used) > 1 and len(why) == len(used) and len(set(why.values())) == 1
    parts = {channel: _part(channel, health) for channel in why}
    return {
        channel: f"{'Sending' if is_all_alike else channel.label} stopped: {reason}. {_what_to_do(parts[channel])} "
        "Nothing is lost: messages go out after that."
        for channel, reason in why.items()
    }


def _part(channel: Channel, health: Sequence[Health]) -> Health:
    """What stops it: that which stops all of them first, as `process_health.stalled` has it."""
    stopping = [part for part in health if part.stops and part.channel in (None, channel)]
    return min(stopping, key=lambda part: part.channel is not None)


def _what_to_do(part: Health) -> str:
    if part.paused:
        return gettext("It is tried again automatically, and “Try again now” is on the overview.")
    if part.command:
        return gettext("Ask your administrator to start one.")
    return gettext("Ask your administrator to fix it.")
