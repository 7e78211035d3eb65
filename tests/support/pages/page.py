"""What the registry says of a page."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

#: What the addresses of pages name: the keys of rows, and whatever else a dataset puts into them.
Rows = Mapping[str, Any]
#: Permissions, all of which are wanted; those of notifier without their "notifier.".
Needs = tuple[str, ...]
#: What no permission opens: superusers are refused as well.
NEVER: Needs = ("never",)
#: Whoever may log in may do it.
STAFF: Needs = ()


class Kind(Enum):
    PAGE = auto()
    #: A piece of a page, or data, that a page fetches by itself.
    FRAGMENT = auto()
    #: Shown in a frame of a page. Nothing may run in it.
    FRAME = auto()
    FILE = auto()
    #: Sends on to another page.
    REDIRECT = auto()
    #: Is only posted to.
    ACTION = auto()
    #: Django's own, for whoever comes: it shows nothing of ours.
    STOCK = auto()
    #: For clients, who never log in.
    PUBLIC = auto()


def fill(text: str, rows: Rows) -> str:
    """With the row's key for each `{row}`. Raises `KeyError` for a row that the dataset has not got."""
    return re.sub(r"\{(\w+)\}", lambda found: str(rows[found[1]]), text)


@dataclass(frozen=True)
class View:
    """One address of a page. In its arguments and its query `{client}` is that row of the dataset."""

    args: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    #: Tells the views of one page apart.
    label: str = ""
    #: Where it needs something else than the page.
    needs: Needs | None = None

    def __str__(self) -> str:
        return self.label or " ".join(filter(None, [*self.args, urlencode(self.query, safe="{},")]))


def at(*args: str, query: Mapping[str, str] | None = None, label: str = "", needs: Needs | None = None) -> View:
    return View(args, tuple((query or {}).items()), label, needs)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One of `make screenshots`, taken where the page opens unless it says `at`."""

    name: str
    at: View | None = None
    #: Done on the page first, which is Playwright's.
    prepare: Callable[[Any], object] | None = None
    #: Its name in docs/images/, if it is shown there.
    docs: str = ""
    #: Its place on the page, for the documentation, where that is not the top.
    docs_from: str = ""
    docs_height: int = 860


@dataclass(frozen=True, kw_only=True)
class Post:
    """What changes something, or else says so. Whoever may not is refused, and nothing has changed."""

    at: View = View()
    needs: Needs | None = None
    label: str = ""
    #: Posted besides what the form of the same address holds already. Text is filled in like an address.
    data: Mapping[str, str | Callable[[Rows], Any]] = field(default_factory=dict)
    #: Whether the address has a form, to be filled in as it comes.
    has_form: bool = False
    #: An action of a list that sends on to a page; others change something.
    leads_to: str = ""
    is_action: bool = False
    #: Answers with a page or a file of its own; others send on to a page.
    answers: bool = False
    #: What only shows how something would look changes nothing for anybody.
    changes: bool = True

    def filled(self, rows: Rows) -> dict[str, Any]:
        return {name: fill(it, rows) if isinstance(it, str) else it(rows) for name, it in self.data.items()}


@dataclass(frozen=True, kw_only=True)
class Page:
    #: The name of its address, for pages of the back office without "admin:".
    name: str
    needs: Needs = STAFF
    kind: Kind = Kind.PAGE
    #: What is asked for by each member of staff, and looked at.
    opens: tuple[View, ...] = ()
    #: What is only looked at: the page in its other shapes.
    looks: tuple[View, ...] = ()
    posts: tuple[Post, ...] = ()
    pictures: tuple[Picture, ...] = ()
    #: Whether texts are written or compared there, so that their placeholders stand as they were typed.
    shows_placeholders: bool = False
    #: What the bench asks for; where that is not said, what opens.
    timed: tuple[View, ...] | None = None

    def url(self, view: View, rows: Rows) -> str:
        prefix = "" if self.kind == Kind.PUBLIC else "admin:"
        path = reverse(f"{prefix}{self.name}", args=[fill(text, rows) for text in view.args])
        query = [(name, fill(text, rows)) for name, text in view.query]
        return f"{path}?{urlencode(query, safe=',')}" if query else path

    def needed(self, one: View | Post) -> Needs:
        return self.needs if one.needs is None else one.needs

    def seen(self) -> Iterator[View]:
        """What a browser shows to somebody who may do everything, each once."""
        if self.kind == Kind.PAGE:
            yield from dict.fromkeys(view for view in (*self.opens, *self.looks) if self.needed(view) != NEVER)

    def measured(self) -> Iterator[View]:
        if self.kind not in (Kind.ACTION, Kind.STOCK, Kind.PUBLIC):
            views = self.opens if self.timed is None else self.timed
            yield from (view for view in views if self.needed(view) != NEVER)


def permissions(needs: Needs) -> set[str]:
    """In full."""
    return {need if "." in need else f"notifier.{need}" for need in needs}
