"""Where SMS may go, in SQL: the numbers that SMS_COUNTRIES keeps a consumer from sending to, for the pages that count.

The consumer asks `phones.why_not_within` of each number, which goes by the same first digits. It refuses premium-rate
numbers too, which nobody can enter.
"""

from collections import defaultdict
from collections.abc import Iterable

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Substr
from django.db.models.lookups import In

from notifier.addresses import phone_countries
from notifier.models import Channel

#: Followed by what SMS_COUNTRIES does not allow, as `phones.why_not_within` says.
NOT_ALLOWED = "SMS may not be sent to"


def are_set(channel: Channel) -> bool:
    """Whether what goes by this channel may not go everywhere."""
    return channel == Channel.SMS and bool(settings.SMS_COUNTRIES)


def refused(*, channel: Channel, client: str = "") -> Q | None:
    """The condition that a client has a number to which nothing is sent; None where that is so for nobody.

    `client` is the way to the client from the rows that are asked, such as "client__".
    """
    if not are_set(channel):
        return None
    condition = Q(pk__in=[])
    # Ranges of the index of numbers: as a rule few are refused, and they are found without looking at the others.
    for beginning in sorted(phone_countries.beginnings(tuple(settings.SMS_COUNTRIES)).others):
        condition |= _in_range(f"{client}phone", beginning)
    return condition


def allowed(*, channel: Channel, client: str = "") -> list[Q]:
    """The condition that a client's number, if there is one, is none of those; nothing where none is refused.

    It is asked of each client that is looked at, for whom a few beginnings are fewer than all those ranges.
    """
    if not are_set(channel):
        return []
    phone = f"{client}phone"
    found = phone_countries.beginnings(tuple(settings.SMS_COUNTRIES))
    return [Q(**{phone: None}) | (_begins(phone, found.within) & ~_begins(phone, found.but))]


def _in_range(phone: str, beginning: str) -> Q:
    """PostgreSQL has an index for this; SQLite compares the numbers byte by byte."""
    if connection.vendor == "postgresql":
        return Q(**{f"{phone}__startswith": beginning})
    end = beginning[:-1] + chr(ord(beginning[-1]) + 1)
    return Q(**{f"{phone}__gte": beginning, f"{phone}__lt": end})


def _begins(phone: str, beginnings: Iterable[str]) -> Q:
    by_length: defaultdict[int, list[str]] = defaultdict(list)
    for beginning in sorted(beginnings):
        by_length[len(beginning)].append(beginning)
    condition = Q(pk__in=[])
    for length, those in by_length.items():
        condition |= Q(In(Substr(phone, 1, length), those))
    return condition
