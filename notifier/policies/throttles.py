"""How fast a channel's provider is given messages: a bucket of tokens in one row, which all its consumers take from.

It fills at the rate and holds one second's worth at most, so a rest of an hour earns no burst; what is in it outlives
every process. A consumer that finds too little reads again later and writes nothing: nobody holds a lock while waiting.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import F

from notifier.models import Channel, Throttle

#: What may be sent at once: as much as in so many seconds, and one message at least.
BURST_SECONDS = 1.0
#: Two clocks differ by less than this. What lies further ahead was written before the clock was set back.
CLOCKS_DIFFER = timedelta(seconds=5)
#: How often another consumer may come first before this one waits a moment.
TRIES = 5
#: That moment, and the shortest wait: at 1,000 a second a look for each token would be all that there is time for.
SHORTEST_WAIT = timedelta(milliseconds=20)

_SMTP = "django.core.mail.backends.smtp.EmailBackend"


@dataclass(frozen=True, slots=True)
class Grant:
    """How many messages may be given to the provider now; where none, after what time it is worth asking again."""

    number: int
    wait: timedelta = timedelta()
    #: Messages a second; None where there is no limit.
    rate: float | None = None


def provider(channel: Channel) -> str:
    """The host that a channel's messages go to, or what stands in for one. Another provider has another bucket."""
    if channel == Channel.EMAIL:
        name = settings.EMAIL_HOST if settings.EMAIL_BACKEND == _SMTP else settings.EMAIL_BACKEND
    else:
        url = urlsplit(settings.SMS_URL)
        name = url.hostname or url.scheme
    return str(name)[:100]


def rates() -> dict[Channel, float]:
    """What holds for each channel's present provider, in messages a second; one without a limit is not there."""
    rows = {(row.channel, row.provider): row for row in Throttle.objects.all()}
    found = {channel: _rate(channel, rows.get((channel.value, provider(channel)))) for channel in Channel}
    return {channel: limit for channel, limit in found.items() if limit is not None}


def _rate(channel: Channel, row: Throttle | None) -> float | None:
    return in_force(row) if row is not None else default(channel)


def in_force(row: Throttle) -> float | None:
    return row.rate if row.rate is not None else default(Channel(row.channel))


def default(channel: Channel) -> float | None:
    """As the settings say."""
    found: float | None = settings.RATES[channel.value]
    return found


def register(*, channel: Channel, now: datetime) -> None:
    """Make the row by which staff may set a rate, if it isn't there. Its bucket begins empty: no burst."""
    row = Throttle(channel=channel, provider=provider(channel), filled_at=now)
    Throttle.objects.bulk_create([row], ignore_conflicts=True)


def take(*, channel: Channel, wanted: int, now: datetime) -> Grant:
    """Take tokens for up to `wanted` messages: as many at once as the bucket can ever hold, or none yet.

    `now` is by `notifier.runtime.clock`. The change is one conditional UPDATE; whoever comes second looks again.
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
        # Too few, and a clock that was set back: from now on it fills by the new time.
        number = number if is_enough else 0
        same = Throttle.objects.filter(pk=row.pk, tokens=row.tokens, filled_at=row.filled_at, rate=row.rate)
        if same.update(tokens=tokens - number, filled_at=filled_at) and number:
            return Grant(number, rate=limit)
    return Grant(0, SHORTEST_WAIT, limit)


def filled(*, tokens: float, filled_at: datetime, rate: float, now: datetime) -> tuple[float, datetime]:
    """What is in the bucket by `now`, and as of when: its time never goes back, but with the clock itself."""
    if filled_at - now > CLOCKS_DIFFER:
        return min(tokens, _room(rate)), now
    since = max(now, filled_at)
    return min(_room(rate), tokens + rate * (since - filled_at).total_seconds()), since


def _room(rate: float) -> float:
    return max(1.0, rate * BURST_SECONDS)


def give_back(*, channel: Channel, number: int) -> None:
    """Return tokens of messages that the provider was not given. More than it can hold is never taken from a bucket."""
    if number > 0:
        Throttle.objects.filter(channel=channel, provider=provider(channel)).update(tokens=F("tokens") + number)


def read(text: str) -> float:
    """Messages a second, of `50/s`, `600/m` or `1000/h`, as the settings have it. Raises ValueError."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})/([smh])", text.replace(" ", ""))
    if found is None:
        raise ValueError("Write it like 50/s, 600/m or 1000/h.")
    return int(found[1]) / {"s": 1, "m": 60, "h": 3600}[found[2]]


def in_words(rate: float) -> str:
    """50/s, 90/m, 10/h: in the unit that makes it a whole number, if one does."""
    for seconds, unit in ((1, "s"), (60, "m"), (3600, "h")):
        number = rate * seconds
        if number >= 1 and math.isclose(number, round(number), rel_tol=1e-6):
            return f"{round(number)}/{unit}"
    return f"{rate:.3g}/s"
