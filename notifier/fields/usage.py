"""What uses a field or a tag, as whoever wants to delete it must know.

Packages above this one use them too, in audiences, in texts, in what imports remember. So each that does names a
function in `FINDERS`, by a dotted string: this package imports none of them.
"""

from collections.abc import Callable, Iterable
from functools import cache

from django.utils.module_loading import import_string

from notifier.models import ClientField, Tag
from notifier.wording import numbers

#: Of each the first few, in the order in which they are named: "the audience “Berlin”". None asks for more than
#: `MAX_NAMED`, or counts a million rows to say so.
Finder = Callable[[ClientField | Tag], Iterable[str]]
FINDERS = (
    "notifier.fields.values.uses",
    "notifier.fields.tags.uses",
    "notifier.saved_audiences.saving.uses",
    "notifier.notifications.field_uses.uses",
)
#: A message names no more of them.
MAX_NAMED = 3
#: Counts stop here.
MAX_COUNTED = 10_000


@cache
def _finder(name: str) -> Finder:
    found: Finder = import_string(name)
    return found


def uses_of(thing: ClientField | Tag) -> list[str]:
    return [use for name in FINDERS for use in _finder(name)(thing)]


def counted_clients(number: int) -> list[str]:
    """One use, as in "1,204 clients", or "more than 10,000 clients"; none where there are none."""
    if number > MAX_COUNTED:
        return [f"more than {MAX_COUNTED:,} clients"]
    return [numbers.counted(number, "client")] if number else []


def in_words(uses: list[str]) -> str:
    """As in "1,204 clients, the audience “Berlin” and 2 more"."""
    named, rest = uses[:MAX_NAMED], len(uses) - MAX_NAMED
    if rest > 0:
        return f"{', '.join(named)} and {rest} more"
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
