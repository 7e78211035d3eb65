"""Where a picture is used. Read only, but for the lock that a text takes on its pictures."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import IntegrityError
from django.db.models import Q

from notifier.messages import pictures
from notifier.models import Brand, Broadcast, Notification, Picture

#: A page names no more of either.
MAX_NAMED = 20


@dataclass(frozen=True, slots=True)
class Uses:
    notifications: list[Notification]
    broadcasts: list[Broadcast]
    #: Whether it is the logo.
    in_brand: bool = False

    def __bool__(self) -> bool:
        return bool(self.notifications or self.broadcasts or self.in_brand)

    @property
    def in_words(self) -> str:
        """As in "the notification “Homes” and broadcast #3 Homes"; one of each kind."""
        first = next(iter(self.notifications), None)
        named = [f"the notification “{first}”"] if first else []
        named += ["the brand"] if self.in_brand else []
        named += [f"broadcast {self.broadcasts[0]}"] if self.broadcasts else []
        return " and ".join(named)


def uses_of(picture: Picture) -> Uses:
    """The newest texts that show it. A broadcast counts whatever became of it: clients may have it in their inbox."""
    shows = Q(email_body__contains=picture.name) | Q(variants__contains=picture.name)
    sent = Broadcast.objects.filter(shows | Q(brand__logo=picture.name))
    return Uses(
        notifications=list(Notification.objects.filter(shows).only("subject").order_by("-pk")[:MAX_NAMED]),
        broadcasts=list(sent.only("subject").order_by("-pk")[:MAX_NAMED]),
        in_brand=Brand.objects.filter(logo=picture).exists(),
    )


def keep_those_in(*texts: str) -> None:
    """Keep the pictures of texts that are being saved, to the end of the transaction, from being deleted.

    Whoever deletes one holds its row too: either they see the text, or this raises `IntegrityError`, as for any row
    that somebody else has just deleted.
    """
    names = {name for text in texts for name in pictures.names_in(text)}
    if names and len(_locked(names)) < len(names):
        raise IntegrityError("a picture of the text has just been deleted")


def _locked(names: Collection[str]) -> list[int]:
    found = Picture.objects.select_for_update().filter(name__in=names).order_by("pk")
    return list(found.values_list("pk", flat=True))
