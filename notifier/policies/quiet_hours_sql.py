"""Sending hours in SQL: when they begin for each of many clients, told without looking at them one by one.

A claim looks at each client (`hours`); this spares it the many of whom it is clear before. Where countries share a
calling code, the first of them to wake counts: what is due too early is put off by its claim. Those of +1 are told by
their area codes, or nobody in America would sleep while Guam is awake.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from zoneinfo import available_timezones

import phonenumbers
from django.conf import settings
from django.db.models import Case, DateTimeField, Q, Value, When
from django.db.models.functions import Substr
from django.db.models.lookups import In

from notifier.models import Channel
from notifier.policies import quiet_hours

#: What a delivery says that waits for the client's morning.
WAITS = "waits for the client’s sending hours"
#: A plus sign and the longest calling code; and +1 with an area code.
LONGEST_START, AREA_START = 4, 5

#: By the moment at which they open.
_Late = dict[datetime, list[str]]


def moment(*, channel: Channel, client: str, now: datetime) -> Case | None:
    """An expression that is NULL where a client may be sent something now; None where that is so for everybody.

    `client` is the way to the client from the rows that are asked, such as "client".
    """
    quiet = settings.QUIET_HOURS[channel.value]
    if quiet is None:
        return None
    zones = _late({zone: ((zone,),) for zone in available_timezones()}, quiet, now)
    starts, areas = _late(dict(_starts()), quiet, now), _late(_areas(), quiet, now)
    default = quiet_hours.opens_at(zones=quiet_hours.default(), hours=quiet, now=now)
    if not zones and not starts and not areas and default <= now:
        return None
    own, phone = f"{client}__time_zone", f"{client}__phone"
    cases = [When(Q(**{f"{own}__in": names}), then=_at(opens)) for opens, names in zones.items()]
    # Of a zone that nobody knows any more the claim sees what becomes.
    cases.append(When(~Q(**{own: ""}), then=_at(None)))
    for length, told in ((AREA_START, areas), (LONGEST_START, starts)):
        cases += [When(In(Substr(phone, 1, length), those), then=_at(opens)) for opens, those in told.items()]
    if default > now:
        cases.append(When(Q(**{phone: None}), then=_at(default)))
    return Case(*cases, default=_at(None), output_field=DateTimeField())


def _late(alternatives: Mapping[str, Iterable[quiet_hours.Zones]], quiet: quiet_hours.Hours, now: datetime) -> _Late:
    found: _Late = defaultdict(list)
    for name, several in alternatives.items():
        opens = min(quiet_hours.opens_at(zones=zones, hours=quiet, now=now) for zones in several)
        if opens > now:
            found[opens].append(name)
    return found


def _starts() -> Iterator[tuple[str, tuple[quiet_hours.Zones, ...]]]:
    """All that a phone number may begin with, in one length, and the zones of each country that it may be of."""
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.keys() - {1}:
        missing = LONGEST_START - 1 - len(str(code))
        for rest in range(10**missing):
            yield f"+{code}{rest:0{missing}d}" if missing else f"+{code}", quiet_hours.zones_of_code(code)


@cache
def _areas() -> dict[str, tuple[quiet_hours.Zones, ...]]:
    """The zones of the country that each area code of +1 is in: any number of it tells as much as another."""
    areas = (f"+1{area}" for area in range(200, 1000))
    return {area: (quiet_hours.zones_of(time_zone="", phone=f"{area}5550123"),) for area in areas}


def _at(opens: datetime | None) -> Value:
    return Value(opens, output_field=DateTimeField())
