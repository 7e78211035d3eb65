"""The export of one broadcast's deliveries: its columns, its rows, and the file."""

import logging
from collections.abc import Iterator
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpResponseBase

from notifier.admin.lists import downloads
from notifier.explanations import records
from notifier.models import Broadcast, Delivery, Reason, Receipt

logger = logging.getLogger(__name__)

#: An XLSX file is written in full before the browser gets any of it, at about 6,000 rows a second.
MAX_XLSX = 100_000
#: Rows that an export reads at once.
CHUNK = 2_000
HEADER = (
    *("Client number", "Name", "Channel", "Address", "Status", "Reason", "Attempts", "Processed", "Provider ID"),
    # The consent that a sent message relied on.
    *("Agreed", "Agreed how"),
    *("Receipt", "Receipt of", "Receipt code"),
)
_COLUMNS = (
    "client_id",
    "client__name",
    "channel",
    "address",
    "state",
    "detail",
    "attempts",
    "settled_at",
    "provider_id",
)
#: What the provider said later; None where it said nothing.
_RECEIPT = ("receipt__state", "receipt__at", "receipt__code")


def rows(deliveries: QuerySet[Delivery]) -> Iterator[tuple[object, ...]]:
    """The rows of the export of one broadcast, by client; read a few thousand at a time, as each is at that moment."""
    ordered = deliveries.order_by("client_id", "channel").values_list(*_COLUMNS, *_RECEIPT)
    topic = next(iter(deliveries.order_by().values_list("broadcast__topic_id", flat=True)[:1]), None)
    last = 0
    while chunk := list(ordered.filter(client_id__gt=last)[:CHUNK]):
        if len(chunk) == CHUNK:
            # It may end between two channels of one client: that client is left for the next chunk.
            chunk = [row for row in chunk if row[0] != chunk[-1][0]]
        agreements = records.Agreements(topic_id=topic, clients=[row[0] for row in chunk]) if topic else None
        yield from (_exported(row, agreements) for row in chunk)
        last = chunk[-1][0]


def _exported(row: tuple[Any, ...], agreements: records.Agreements | None) -> tuple[object, ...]:
    client, name, channel, address, state, detail, *rest = row[: len(_COLUMNS)]
    receipt, receipt_at, code = row[len(_COLUMNS) :]
    told = (Receipt.State(receipt).label if receipt else "", receipt_at, code or "")
    settled = row[_COLUMNS.index("settled_at")]
    change = None
    if agreements and settled and state == Delivery.State.SENT:
        change = agreements.before(client_id=client, channel=channel, moment=settled)
    agreed = (change.at, change.origin) if change else (None, "")
    return (client, name, channel, address, Delivery.State(state).label, Reason.in_words(detail), *rest, *agreed, *told)


def is_too_long(kind: str, deliveries: QuerySet[Delivery]) -> bool:
    return kind == "xlsx" and deliveries.order_by()[: MAX_XLSX + 1].count() > MAX_XLSX


def response(
    *, kind: str, broadcast: Broadcast, deliveries: QuerySet[Delivery], user_id: int, narrowed: str
) -> HttpResponseBase:
    """The file. It takes addresses out of the product, so the broadcast's history keeps who took them, and when.

    `narrowed` are the filters of the list, in words.
    """
    LogEntry.objects.create(
        user_id=user_id,
        content_type=ContentType.objects.get_for_model(Broadcast),
        object_id=str(broadcast.pk),
        object_repr=str(broadcast)[:200],
        action_flag=CHANGE,
        change_message=f"Exported messages as {kind.upper()}{narrowed and f', of which {narrowed}'}.",
    )
    logger.info("user %d exports deliveries of broadcast %d as %s", user_id, broadcast.pk, kind)
    return downloads.KINDS[kind](HEADER, rows(deliveries), f"broadcast-{broadcast.pk}-messages")
