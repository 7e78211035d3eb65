"""Quiet hours in SQL: when they end for each of many clients, computed by the database for all of them at once.

A claim looks at each client (`hours`); this spares it the many of whom it is clear before. Area codes say the same here
and there. Where countries share a calling code, the first of them to wake counts, and a number whose area code is not
known counts as awake: what is due too early is put off by its claim.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from zoneinfo import available_timezones

import phonenumbers
from django.conf import settings
from django.db.models import Case, DateTimeField, Q, Value, When
from django.db.models.functions import Substr
from django.db.models.lookups import In

from notifier.models import Channel
from notifier.policies import phone_zones, quiet_hours

#: What a delivery says that waits for the client's morning.
WAITS = "waits until the client’s quiet hours end"
#: A plus sign and the longest calling code.
CODE_LENGTH = 4

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
    codes = _late(dict(_codes()), quiet, now)
    areas = _late({area: (zones,) for area, zones in phone_zones.areas().items()}, quiet, now)
    default = quiet_hours.opens_at(zones=quiet_hours.default(), hours=quiet, now=now)
    if not zones and not codes and not areas and default <= now:
        return None
    own, phone = f"{client}__time_zone", f"{client}__phone"
    cases = [When(Q(**{f"{own}__in": names}), then=_at(opens)) for opens, names in zones.items()]
    # Of a zone that nobody knows any more the claim sees what becomes.
    cases.append(When(~Q(**{own: ""}), then=_at(None)))
    for length, told in ((phone_zones.AREA_LENGTH, areas), (CODE_LENGTH, codes)):
        cases += [When(In(Substr(phone, 1, length), those), then=_at(opens)) for opens, those in told.items()]
    if default > now:
        cases.append(When(Q(**{phone: None}), then=_at(default)))
    return Case(*cases, default=_at(None), output_field=DateTimeField())


def _late(alternatives: Mapping[str, Iterable[phone_zones.Zones]], quiet: quiet_hours.Hours, now: datetime) -> _Late:
    found: _Late = defaultdict(list)
    for name, several in alternatives.items():
        opens = min(quiet_hours.opens_at(zones=zones, hours=quiet, now=now) for zones in several)
        if opens > now:
            found[opens].append(name)
    return found


def _codes() -> Iterator[tuple[str, tuple[phone_zones.Zones, ...]]]:
    """All that a phone number may begin with, in one length, and the zones that its claim may say."""
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.keys() - set(phone_zones.AREA_CODES):
        missing = CODE_LENGTH - 1 - len(str(code))
        told = tuple(zones or quiet_hours.default() for zones in phone_zones.of_code(code))
        for rest in range(10**missing):
            yield f"+{code}{rest:0{missing}d}" if missing else f"+{code}", told


def _at(opens: datetime | None) -> Value:
    return Value(opens, output_field=DateTimeField())
