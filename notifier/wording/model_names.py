"""What staff call the models, their lists, and what is empty."""

from typing import Any

from django.db.models.options import Options
from django.utils.text import capfirst

#: What staff call models whose own names say something else: one, and many of them.
NAMES = {
    "AccessAttempt": ("failed log-in", "failed log-ins"),
    "AccessLog": ("log-in", "log-ins"),
    "InboundMessage": ("answer", "answers"),
}
#: Lists that are not called like what is in them.
LISTS = {"InboundMessage": "Inbox"}
#: What stands in a cell, or beside a name, that has nothing in it.
NOTHING = "–"


def one(opts: "Options[Any]") -> str:
    """What staff call one of these, as in "topic"."""
    return NAMES[opts.object_name][0] if opts.object_name in NAMES else str(opts.verbose_name)


def many(opts: "Options[Any]") -> str:
    return NAMES[opts.object_name][1] if opts.object_name in NAMES else str(opts.verbose_name_plural)


def listed(opts: "Options[Any]") -> str:
    """What staff call the list of them, as in the menu."""
    return LISTS.get(str(opts.object_name)) or capfirst(many(opts))
