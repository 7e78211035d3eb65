"""Limits how often the public pages answer, counted in Django's cache.

Each web process has a cache of its own (CACHES), so four processes allow four times as much. That is enough against
load: a token can't be guessed, and a bad one is refused by its signature, without a query. Evidence, which is kept for
ever, has a limit over all processes (`preference_center.MAX_AGREED_AN_HOUR`). A refusal is never counted.
"""

import time

from django.core.cache import cache

MINUTE_SECONDS = 60
#: GETs of one client's pages a minute. Scanners follow all links of a mail, several times.
MAX_LOOKS = 60
#: Bad links a minute from one address: all scanners of a mail provider may share one.
MAX_BAD_LINKS = 30


def is_looked_at_too_often(*, client_id: int) -> bool:
    """Counts one more GET of this client's pages; true where that is too many."""
    return _count(f"look:{client_id}") > MAX_LOOKS


def is_guessing(*, address: str | None) -> bool:
    """Counts one more bad link from this address; true where that is too many."""
    return _count(f"guess:{address}") > MAX_BAD_LINKS


def _count(what: str) -> int:
    """How often this was counted within the present minute, this time included."""
    key = f"public:{what}:{int(time.time()) // MINUTE_SECONDS}"
    cache.add(key, 0, timeout=2 * MINUTE_SECONDS)
    try:
        return cache.incr(key)
    except ValueError:  # the cache was full and dropped it between the two calls
        return 1
