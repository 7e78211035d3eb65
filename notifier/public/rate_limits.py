"""How often the public pages answer, by Django's cache.

That is each web process's own (CACHES): with four of them four times as much gets through. It is enough against load,
and a look into the database would cost more than it spares: a token can't be guessed, and a bad one is told by its
signature alone. What is kept for ever is limited by the evidence itself, over all processes
(`preference_center.MAX_AGREED_AN_HOUR`). Nobody who refuses is ever counted.
"""

import time

from django.core.cache import cache

MINUTE_SECONDS = 60
#: Looks at the pages of one client. Scanners follow all links of a mail, several times.
MAX_LOOKS = 60
#: Links that are none, from one address: a whole mail provider's scanners may have one.
MAX_BAD_LINKS = 30


def is_looked_at_too_often(*, client_id: int) -> bool:
    """Counts one more look at this client's pages."""
    return _count(f"look:{client_id}") > MAX_LOOKS


def is_guessing(*, address: str | None) -> bool:
    """Counts one more bad link from there."""
    return _count(f"guess:{address}") > MAX_BAD_LINKS


def _count(what: str) -> int:
    """How often that was asked within this minute of the clock, this time included."""
    key = f"public:{what}:{int(time.time()) // MINUTE_SECONDS}"
    cache.add(key, 0, timeout=2 * MINUTE_SECONDS)
    try:
        return cache.incr(key)
    except ValueError:  # thrown out for want of room between the two
        return 1
