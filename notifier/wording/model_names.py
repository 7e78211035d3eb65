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
#: What the rows of a list are called where they are counted, if not by the name of their model.
ROWS = {"Throttle": ("provider", "providers")}
#: Shown in place of an empty value.
NOTHING = "–"


def one(opts: "Options[Any]") -> str:
    """The singular name, such as "topic"."""
    return NAMES[opts.object_name][0] if opts.object_name in NAMES else str(opts.verbose_name)


def many(opts: "Options[Any]") -> str:
    return NAMES[opts.object_name][1] if opts.object_name in NAMES else str(opts.verbose_name_plural)


def rows(opts: "Options[Any]", number: int = 2) -> str:
    """What so many rows of a list are called, as in "2 providers"; without a number, several."""
    names = ROWS.get(str(opts.object_name)) or (one(opts), many(opts))
    return names[0] if number == 1 else names[1]


def listed(opts: "Options[Any]") -> str:
    """The name of the list, as in the menu."""
    return LISTS.get(str(opts.object_name)) or capfirst(many(opts))
