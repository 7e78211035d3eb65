"""How staff find clients and addresses, in lists of a million."""

import re
import sys
from collections.abc import Iterable

from django.conf import settings
from django.db import connection
from django.db.models import Q, Value
from django.http import HttpRequest
from phonenumbers import country_code_for_region

from notifier.addresses import emails
from notifier.consent import digests
from notifier.models import Channel, ErasedAddress
from notifier.staff import groups

#: No more erased clients than these are found by one address.
MAX_ERASED = 50


def matching(term: str, *, erased: bool = False) -> Q:
    """The clients that `term` means: an address is found by its beginning, a name by its words.

    So an index answers. For the name, PostgreSQL has a trigram index on the name; SQLite reads through the plain one.
    `erased`: those too who had exactly this address, and of whom only a digest of it is left.
    """
    term = term.strip()
    channel, address = as_address(term)
    if channel is None:
        return Q(*(Q(name__icontains=word) for word in term.split()))
    found = begins(channel.address_field, address)
    # A query of its own, which nearly always finds none: with an OR no index would be used.
    ids = list(_erased_with(channel, address)) if erased else []
    return found | Q(pk__in=ids) if ids else found


def may_find_erased(request: HttpRequest) -> bool:
    return request.user.has_perm(groups.VIEW_ERASEDADDRESS)


def as_address(term: str) -> tuple[Channel | None, str]:
    """An address or its beginning, as it is stored; None where it is neither."""
    if "@" in term:
        return Channel.EMAIL, emails.searched(term)
    term = term.strip().lower()
    if re.match(r"[+(\d]", term):
        return Channel.SMS, phone_prefix(term)
    return None, term


def _erased_with(channel: Channel, address: str) -> Iterable[int]:
    named = ErasedAddress.objects.filter(channel=channel, digest__in=digests.digests(channel, address))
    return named.values_list("client_id", flat=True)[:MAX_ERASED]


def begins(field: str, prefix: str) -> Q:
    """A condition that an index answers: PostgreSQL's pattern index, or SQLite's plain one, by a range."""
    if connection.vendor == "postgresql":
        return Q(**{f"{field}__startswith": prefix})
    # SQLite reads every row for LIKE … ESCAPE: 2.4 s a million. `Value`: a part of a number is no valid number.
    return Q(**{f"{field}__gte": Value(prefix), f"{field}__lt": Value(prefix + chr(sys.maxunicode))})


def phone_prefix(term: str) -> str:
    """As phones are stored, +447700…, however it was written: 0044, 44, or at home 07700."""
    digits = re.sub(r"\D", "", term)
    if term.startswith("+"):
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    if digits.startswith("0") and settings.PHONE_DEFAULT_REGION:
        return f"+{country_code_for_region(settings.PHONE_DEFAULT_REGION)}{digits[1:]}"
    return f"+{digits}"
