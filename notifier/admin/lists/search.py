"""How what staff type becomes a filter: on every page alike, and at a million clients.

A list of clients asks for those that are `matching`. One of what belongs to clients asks for their ids first, or for
their addresses, and for no more than MAX_CLIENTS: what is theirs may lie anywhere among millions.
"""

import sys
from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.db.models import CharField, F, Lookup, Q, Value
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from notifier.addresses import emails, phones
from notifier.admin.lists.among import among_texts
from notifier.clients import name_search
from notifier.consent import digests
from notifier.models import Channel, Client, ErasedAddress
from notifier.staff import groups
from notifier.wording import numbers

#: No more erased clients than these are found by one address.
MAX_ERASED = 50
MAX_CLIENTS = 10_000
#: Somebody who sees a few of so many types another letter.
MAX_SORTED = 1_000
#: After all that begins alike.
LAST = chr(sys.maxunicode)
#: Below the field on each page where clients are looked for.
HELP = _("Search by name, by the start of an e-mail address or phone number, or by # and the client’s number.")
NARROW = _("Type more of the name or address.")
#: For each of these the first number that is not before it. In the order of an index, or either engine might sort all.
_FIRST_ON_POSTGRESQL = """
SELECT v.number, (SELECT c.phone FROM notifier_client c WHERE c.phone ~>=~ v.number ORDER BY c.phone USING ~<~ LIMIT 1)
FROM unnest(%s::text[]) AS v (number)
"""
_FIRST_ON_SQLITE = """
SELECT v.column1, (SELECT c.phone FROM notifier_client c WHERE c.phone >= v.column1 ORDER BY c.phone LIMIT 1)
FROM (VALUES {}) v
"""
_SAID = "_notifier_said_of_the_search"
_Row = TypeVar("_Row")


class TooManyFound(Exception):
    """More is found than anybody could look through. Its text is the beginning of a sentence that says so to staff."""


# --- Clients ----------------------------------------------------------------------------------------------------------
def matching(term: str, *, erased: bool = False) -> Q:
    """The clients that `term` means: by words of the name, the beginning of an address, or # and their number.

    Each of these is a condition that an index answers. `erased`: those too who had exactly this address, and of whom
    only a digest of it is left.
    """
    if by_number := _by_number(term):
        return by_number
    addresses, elsewhere = beginnings(term), _elsewhere(term)
    found = _ways(term, [*addresses, *_in_use(elsewhere)])
    # A query of its own, which nearly always finds none: it would be another table to look at for each client.
    if erased and (ids := list(_erased_with([*addresses, *elsewhere]))):
        found.append(Q(pk__in=ids))
    return _any_of(found)


def client_ids(term: str, *, erased: bool = False) -> list[int]:
    """Of those that it means, in any order. Raises `TooManyFound`."""
    found = Client.objects.filter(matching(term, erased=erased)).values_list("pk", flat=True)
    return _few_enough(found[: MAX_CLIENTS + 1], term)


def first_by_name(term: str, *, most: int) -> list[Client]:
    """The first of those whom it means; where they are more than MAX_SORTED, the first of some of them.

    Sorted here: for so few in the order of names, PostgreSQL might walk along a million.
    """
    some = Client.objects.filter(matching(term)).values_list("name", "pk")[:MAX_SORTED]
    first = sorted((name_search.folded(name), pk) for name, pk in some)[:most]
    found = Client.objects.in_bulk([pk for _, pk in first])
    return [found[pk] for _, pk in first if pk in found]


def owned(term: str, *, field: str, channels: Collection[Channel], request: HttpRequest, erased: bool) -> Q:
    """Of rows with an address of these channels in this field, those whose address or whose client it means.

    Clients are looked for only for those who may see them. `erased`: the digest of exactly this address, too.
    """
    elsewhere = _elsewhere(term)
    addresses = [*beginnings(term), *_in_use(elsewhere)]
    own = [pair for pair in addresses if pair[0] in channels]
    whole = [*own, *(pair for pair in elsewhere if pair[0] in channels)]
    exactly = [one for pair in whole for one in digests.digests(*pair)] if erased else []
    try:
        if may_see_clients(request):
            others = [pair for pair in addresses if pair not in own]
            exactly += _addresses_of(term, others, erased=may_find_erased(request))
    except TooManyFound as error:
        say(request, f"{error}, so their addresses are left out. {NARROW}")
    return _any_of([*(begins(field, address) for _, address in own), Q(among_texts(exactly, field=field))])


def _addresses_of(term: str, others: Iterable[tuple[Channel, str]], *, erased: bool) -> list[str]:
    """The addresses of the clients whom it means by name, by number or by these other addresses. Raises `TooManyFound`.

    `erased`: the digests too that stand in the place of addresses.
    """
    found_by = _by_number(term) or _any_of(_ways(term, others))
    # As text: to make a number of each phone takes a second for ten thousand.
    rows = Client.objects.filter(found_by).values_list("pk", "email", Cast("phone", CharField()))
    found = _few_enough(rows[: MAX_CLIENTS + 1], term)
    known = [address for _, *both in found for address in both if address]
    gone = [pk for pk, *both in found if not any(both)] if erased else []
    return known + list(ErasedAddress.objects.filter(client__in=gone).values_list("digest", flat=True))


def may_see_clients(request: HttpRequest) -> bool:
    return request.user.has_perm(groups.VIEW_CLIENT)


def may_find_erased(request: HttpRequest) -> bool:
    return request.user.has_perm(groups.VIEW_ERASEDADDRESS)


def _by_number(term: str) -> Q | None:
    term = term.strip()
    number = numbers.read_id(term[1:].strip()) if term.startswith("#") else None
    return None if number is None else Q(pk=number)


def _ways(term: str, addresses: Iterable[tuple[Channel, str]]) -> list[Q]:
    """By these beginnings of addresses, and by the words of a name, where it may be one."""
    found = [begins(channel.address_field, address) for channel, address in addresses]
    named = None if "@" in term else name_search.called(term)
    return [*found, named] if named else found


def _erased_with(addresses: Iterable[tuple[Channel, str]]) -> Iterable[int]:
    whole = [pair for pair in addresses if pair[0] == Channel.SMS or "@" in pair[1]]
    # One list for each channel: a number as some country writes it may be one of two hundred.
    had = _any_of(
        Q(
            channel=channel,
            digest__in=[one for of, address in whole if of == channel for one in digests.digests(of, address)],
        )
        for channel in Channel
    )
    return ErasedAddress.objects.filter(had).values_list("client_id", flat=True)[:MAX_ERASED]


def _few_enough(rows: Iterable[_Row], term: str) -> list[_Row]:
    found = list(rows)
    if len(found) > MAX_CLIENTS:
        raise TooManyFound(f"More than {MAX_CLIENTS:,} clients match “{term.strip()}”")
    return found


# --- What the page says of it ---------------------------------------------------------------------------------------
def say(request: HttpRequest, text: str) -> None:
    """Leaves a sentence for the list that searches."""
    setattr(request, _SAID, text)


def said(request: HttpRequest) -> str:
    return getattr(request, _SAID, "")


# --- Addresses --------------------------------------------------------------------------------------------------------
def beginnings(term: str) -> list[tuple[Channel, str]]:
    """The addresses that it may be, or their beginnings, as they are stored; none where it can be no address."""
    term = term.strip()
    if term.startswith("#"):
        return []
    is_email = "@" in term or (len(term.split()) == 1 and not term.startswith("+"))
    email = emails.searched(term) if is_email else ""
    phone = [] if "@" in term else phones.searched(term, region=settings.PHONE_DEFAULT_REGION)
    return [*((Channel.EMAIL, one) for one in (email,) if one), *((Channel.SMS, one) for one in phone)]


def _elsewhere(term: str) -> list[tuple[Channel, str]]:
    """The numbers that it may be as they are dialled within any country."""
    term = term.strip()
    if "@" in term or term.startswith("#"):
        return []
    return [(Channel.SMS, one) for one in phones.elsewhere(term, region=settings.PHONE_DEFAULT_REGION)]


def _in_use(addresses: Sequence[tuple[Channel, str]]) -> list[tuple[Channel, str]]:
    """Those of these numbers with which the number of a client begins.

    Each is looked up in the index, which takes a few milliseconds for two hundred. As conditions, SQLite would rather
    read all clients than look up more than some forty of them.
    """
    if not (numbers := [number for _, number in addresses]):
        return []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_FIRST_ON_POSTGRESQL, [numbers])
        else:
            cursor.execute(_FIRST_ON_SQLITE.format(", ".join(["(%s)"] * len(numbers))), numbers)
        return [(Channel.SMS, number) for number, first in cursor if first and first.startswith(number)]


def begins(field: str, prefix: str) -> Q:
    """A condition that an index answers: PostgreSQL's pattern index, or SQLite's plain one, by a range."""
    if connection.vendor == "postgresql":
        return Q(_Within(F(field), prefix))
    # SQLite reads every row for LIKE … ESCAPE: 2.4 s a million. `Value`: a part of a number is no valid number.
    return Q(**{f"{field}__gte": Value(prefix), f"{field}__lt": Value(prefix + LAST)})


class _Within(Lookup):
    """As the pattern index compares. PostgreSQL makes this of LIKE as well, and then compares what it found by LIKE
    once more; and, of an OR, by all other conditions too.
    """

    lookup_name = "within"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        both = (*parameters, self.rhs, *parameters, self.rhs + LAST)
        return f"({column} ~>=~ %s AND {column} ~<~ %s)", both


def _any_of(conditions: Iterable[Q]) -> Q:
    """Nobody, where there are none."""
    return reduce(or_, conditions, Q(pk__in=[]))
