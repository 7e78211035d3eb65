"""Rate limits of the channels' providers: for each a bucket of tokens in one row, which all consumers take from.

It fills at the rate and holds at most one second's worth, so that an idle hour allows no burst. A consumer that finds
too few tokens reads again later and writes nothing: nobody holds a lock while waiting.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import F

from notifier.models import Channel, Throttle

#: What may be sent at once: as much as in this many seconds, and at least one message.
BURST_SECONDS = 1.0
#: Two clocks differ by less than this. A time further ahead was written before the clock was set back.
CLOCKS_DIFFER = timedelta(seconds=5)
#: How often another consumer may be faster before this one waits for SHORTEST_WAIT.
TRIES = 5
#: At 1,000 messages a second, looking for each single token would take all the time there is.
SHORTEST_WAIT = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True)
class Grant:
    """How many messages may be given to the provider now; if none, how long to wait before asking again."""

    number: int
    wait: timedelta = timedelta()
    #: Messages a second; None where there is no limit.
    rate: float | None = None


def provider(channel: Channel) -> str:
    """The host that a channel's messages go to, or the backend's name. Each provider has its own bucket."""
    if channel == Channel.EMAIL:
        name = settings.EMAIL_HOST if settings.EMAIL_BACKEND == settings.SMTP_BACKEND else settings.EMAIL_BACKEND
    else:
        url = urlsplit(settings.SMS_URL)
        name = url.hostname or url.scheme
    return str(name)[:100]


def rates() -> dict[Channel, float]:
    """The limit of each channel's present provider, in messages a second; channels without one are missing."""
    rows = {(row.channel, row.provider): row for row in Throttle.objects.all()}
    found = {channel: _rate(channel, rows.get((channel.value, provider(channel)))) for channel in Channel}
    return {channel: limit for channel, limit in found.items() if limit is not None}


def _rate(channel: Channel, row: Throttle | None) -> float | None:
    return in_force(row) if row is not None else default(channel)


def in_force(row: Throttle) -> float | None:
    return row.rate if row.rate is not None else default(Channel(row.channel))


def default(channel: Channel) -> float | None:
    """The limit from the settings, which holds unless staff set another one."""
    found: float | None = settings.RATES[channel.value]
    return found


def register(*, channel: Channel, now: datetime) -> None:
    """Create the row in which staff can set a rate, if it isn't there. Its bucket begins empty: no burst."""
    row = Throttle(channel=channel, provider=provider(channel), filled_at=now)
    Throttle.objects.bulk_create([row], ignore_conflicts=True)


def take(*, channel: Channel, wanted: int, now: datetime) -> Grant:
    """Take tokens for `wanted` messages, or for as many as the bucket can hold; none if there are too few yet.

    `now` must be the time of `notifier.runtime.clock`. The change is one conditional UPDATE: if another consumer was
    faster, this one looks again.
    """
    for _ in range(TRIES):
        row = Throttle.objects.filter(channel=channel, provider=provider(channel)).first()
        limit = _rate(channel, row)
        if limit is None:
            return Grant(wanted)
        if row is None:
            register(channel=channel, now=now)
            continue
        number = min(wanted, math.floor(_room(limit)))
        tokens, filled_at = filled(tokens=row.tokens, filled_at=row.filled_at, rate=limit, now=now)
        is_enough = tokens >= number
        if not is_enough and filled_at >= row.filled_at:
            wait = timedelta(seconds=(number - tokens) / limit) + max(filled_at - now, timedelta())
            return Grant(0, max(wait, SHORTEST_WAIT), limit)
        # Too few tokens, and the clock was set back: from now on the bucket fills by the new time.
        number = number if is_enough else 0
        same = Throttle.objects.filter(pk=row.pk, tokens=row.tokens, filled_at=row.filled_at, rate=row.rate)
        if same.update(tokens=tokens - number, filled_at=filled_at) and number:
            return Grant(number, rate=limit)
    return Grant(0, SHORTEST_WAIT, limit)


def filled(*, tokens: float, filled_at: datetime, rate: float, now: datetime) -> tuple[float, datetime]:
    """The tokens in the bucket at `now`, and the time they are counted at, which goes back only if the clock did."""
    if filled_at - now > CLOCKS_DIFFER:
        return min(tokens, _room(rate)), now
    since = max(now, filled_at)
    return min(_room(rate), tokens + rate * (since - filled_at).total_seconds()), since


def _room(rate: float) -> float:
    return max(1.0, rate * BURST_SECONDS)


def release(*, channel: Channel, number: int) -> None:
    """Return tokens of messages that were not sent. `take` ignores what is more than the bucket can hold."""
    if number > 0:
        Throttle.objects.filter(channel=channel, provider=provider(channel)).update(tokens=F("tokens") + number)
