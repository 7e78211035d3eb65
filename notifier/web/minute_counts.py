"""Counts of something within the present minute, in Django's cache.

Each web process has a cache of its own (CACHES), so four processes count to four times as much. That is enough against
load and against guessing.
"""

import time

from django.core.cache import cache

MINUTE_SECONDS = 60


def count(what: str) -> int:
    """Counts `what` once more; returns how often it was counted within the present minute, this time included."""
    key = _key(what)
    cache.add(key, 0, timeout=2 * MINUTE_SECONDS)
    try:
        return cache.incr(key)
    except ValueError:  # the cache was full and dropped it between the two calls
        return 1


def so_far(what: str) -> int:
    """How often it was counted within the present minute."""
    return int(cache.get(_key(what), 0))


def _key(what: str) -> str:
    return f"minute:{what}:{int(time.time()) // MINUTE_SECONDS}"
