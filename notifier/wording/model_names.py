"""The names of models and lists on the screens, and the sign for an empty value."""

from typing import Any

from django.db.models.options import Options
from django.utils.text import capfirst

#: Singular and plural of models whose own names staff would not understand.
NAMES = {
    "AccessAttempt": ("failed log-in", "failed log-ins"),
    "AccessLog": ("log-in", "log-ins"),
}
#: Lists that have a name of their own.
LISTS = {"Brand": "Brand", "InboundMessage": "Inbox", "QueuedTicket": "Queue", "Throttle": "Sending speed"}
#: Shown in place of an empty value.
NOTHING = "–"


def one(opts: "Options[Any]") -> str:
    """The singular name, such as "topic"."""
    return NAMES[opts.object_name][0] if opts.object_name in NAMES else str(opts.verbose_name)


def many(opts: "Options[Any]") -> str:
    return NAMES[opts.object_name][1] if opts.object_name in NAMES else str(opts.verbose_name_plural)


def listed(opts: "Options[Any]") -> str:
    """The name of the list, as in the menu."""
    return LISTS.get(str(opts.object_name)) or capfirst(many(opts))
