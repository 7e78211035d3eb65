"""The deliveries of the clients that a search finds, in the same time whoever is found and however old theirs are."""

from django.db.models import QuerySet
from django.http import HttpRequest

from notifier.admin.lists import search
from notifier.admin.lists.among import among
from notifier.admin.lists.paginator import MAX_COUNTED
from notifier.admin.lists.search import TooManyFound
from notifier.models import Delivery

#: Clients whose deliveries are looked up at once.
CHUNK = 1_000


def found(request: HttpRequest, deliveries: QuerySet[Delivery], term: str) -> QuerySet[Delivery]:
    """Those of them whose clients it means; none, and a sentence on the page, where these are too many to list.

    Found by one query, PostgreSQL would walk along all deliveries, newest first, and look each one's client up: that is
    quick where many of the newest are found, and takes seconds for five millions where none are.
    """
    try:
        clients = search.client_ids(term, erased=search.may_find_erased(request))
        return deliveries.filter(among(_ids(deliveries, clients)))
    except TooManyFound as error:
        search.say(request, f"{error}, so no messages are listed. {search.NARROW}")
        return deliveries.none()


def _ids(deliveries: QuerySet[Delivery], clients: list[int]) -> list[int]:
    """Of those of these clients. Raises `TooManyFound` where they are more than a list counts.

    In pieces, each of which the index on the client answers: for all at once every delivery might be read.
    """
    ids: list[int] = []
    for start in range(0, len(clients), CHUNK):
        theirs = deliveries.filter(among(clients[start : start + CHUNK], field="client_id")).order_by()
        ids += theirs.values_list("pk", flat=True)[: MAX_COUNTED - len(ids)]
        if len(ids) >= MAX_COUNTED:
            raise TooManyFound(f"More than {MAX_COUNTED - 1:,} messages match")
    return ids
