"""What uses a field or a tag, as whoever wants to delete it, or to merge a tag into another, must know.

Packages above this one use them too, in audiences, in texts, in what imports remember. So each that does names a
function in `FINDERS`, by a dotted string: this package imports none of them. What goes on to use the tag into which
its own was merged is a module in `FOLLOWERS`.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from django.contrib.auth.models import User
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
    "notifier.clients.imports.proposals.uses",
    "notifier.notifications.field_uses.uses",
)
FOLLOWERS = ("notifier.broadcasts.audience_edits",)
#: A message names no more of them.
MAX_NAMED = 3
#: Counts stop here.
MAX_COUNTED = 10_000


class TagFollower(Protocol):
    """What has to do something when a tag is merged into another one."""

    def names_tag(self, tag: Tag) -> bool:
        """Whether anything names it that would name the other one."""

    def reason_not_to_merge(self, *, tag: Tag, into: Tag) -> str:
        """A sentence; empty where nothing speaks against it."""

    def take_merge(self, *, tag: Tag, into: Tag, by: User | None, now: datetime) -> None:
        """Name the other one from now on, within the caller's transaction; it locks the tag.

        Raises `ValidationError` where something has come to speak against it.
        """


def tag_followers() -> list[TagFollower]:
    return [cast(TagFollower, import_module(name)) for name in FOLLOWERS]


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
