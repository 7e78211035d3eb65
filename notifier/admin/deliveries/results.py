"""What became of one broadcast's deliveries: the numbers above their list, the filter by reason, and the export."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.urls import reverse

from notifier.admin.lists import selection
from notifier.broadcasts import progress, skip_reasons
from notifier.explanations import records
from notifier.files import spreadsheets
from notifier.models import Broadcast, Delivery
from notifier.staff import groups
from notifier.wording import numbers

logger = logging.getLogger(__name__)

#: The parameter of the list's URL that names the broadcast.
OWNER = "broadcast__id__exact"
#: An XLSX file is written in full before the browser gets any of it, at about 6,000 rows a second.
MAX_XLSX = 100_000
#: Rows that an export reads at once.
CHUNK = 2_000
HEADER = (
    *("client", "name", "channel", "address", "state", "reason", "attempts", "settled", "provider ID"),
    # The consent that a sent message relied on.
    *("agreed", "agreed how"),
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


def list_of(broadcast: Broadcast, **filters: str) -> str:
    """The URL of the list of its deliveries."""
    return f"{reverse('admin:notifier_delivery_changelist')}?{urlencode({OWNER: broadcast.pk, **filters})}"


def owner(request: HttpRequest) -> Broadcast | None:
    """The broadcast whose deliveries the list shows; None where it shows those of several."""
    chosen = numbers.read_id(request.GET.get(OWNER, ""))
    if chosen is None:
        return None
    return Broadcast.objects.select_related("topic", "created_by").filter(pk=chosen).first()


@dataclass(frozen=True, slots=True)
class Part:
    """The deliveries in one state, as the last tally counted them."""

    state: Delivery.State
    number: int
    url: str
    is_chosen: bool


def head(request: HttpRequest, broadcast: Broadcast) -> dict[str, Any]:
    """The context for what stands above the list. Its numbers come from the tally: no delivery is counted for it."""
    sheet = progress.sheet(broadcast)
    chosen = request.GET.get("state__exact")
    return {
        "owner": broadcast,
        "total": sheet.total,
        "everything": list_of(broadcast),
        "is_everything": chosen is None,
        "parts": [
            Part(state, number, list_of(broadcast, state__exact=state.value), chosen == state)
            for state in Delivery.State
            if (number := sheet.count(state)) or chosen == state
        ],
        "exports": _exports(request) if request.user.has_perm(groups.EXPORT_DELIVERY) else [],
        "most_xlsx": MAX_XLSX,
    }


def _exports(request: HttpRequest) -> list[tuple[str, str]]:
    """Each kind with its URL, which carries the filters of the list."""
    query = request.GET.copy()
    query.pop("p", None)
    return [(kind, f"{reverse('admin:notifier_delivery_export', args=[kind])}?{query.urlencode()}") for kind in EXPORTS]


class ReasonFilter(admin.SimpleListFilter):
    """Why it was not sent; offered where the list is of one broadcast."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self.value()
        counts: dict[str, str] = {}
        if broadcast := owner(request):
            state = request.GET.get("state__exact")
            for reason in skip_reasons.of_broadcast(broadcast.pk):
                if state not in (None, reason.state):
                    continue
                words = f"{reason.detail or 'no reason given'} ({reason.in_words} {reason.state.label.lower()})"
                counts.setdefault(reason.detail, words)
        if chosen:
            counts.setdefault(chosen, chosen)
        return list(counts.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        chosen = self.value()
        # Without the states no index would answer.
        return queryset if chosen is None else queryset.filter(detail=chosen, state__in=Delivery.UNSENT)


# --- Export -----------------------------------------------------------------------------------------------------------
def rows(deliveries: QuerySet[Delivery]) -> Iterator[tuple[object, ...]]:
    """The rows of the export of one broadcast, by client; read a few thousand at a time, as each is at that moment."""
    ordered = deliveries.order_by("client_id", "channel").values_list(*_COLUMNS)
    topic = next(iter(deliveries.order_by().values_list("broadcast__topic_id", flat=True)[:1]), None)
    last = 0
    while chunk := list(ordered.filter(client_id__gt=last)[:CHUNK]):
        if len(chunk) == CHUNK:
            # It may end between two channels of one client: that client is left for the next chunk.
            chunk = [row for row in chunk if row[0] != chunk[-1][0]]
        agreements = records.Agreements(topic_id=topic, clients=[row[0] for row in chunk]) if topic else None
        yield from (_in_words(row, agreements) for row in chunk)
        last = chunk[-1][0]


def _in_words(row: tuple[Any, ...], agreements: records.Agreements | None) -> tuple[object, ...]:
    client, name, channel, address, state, *rest = row
    settled = row[_COLUMNS.index("settled_at")]
    change = None
    if agreements and settled and state == Delivery.State.SENT:
        change = agreements.before(client_id=client, channel=channel, moment=settled)
    agreed = (change.at, change.origin) if change else (None, "")
    return (client, name, channel, address, Delivery.State(state).label, *rest, *agreed)


def _csv(deliveries: QuerySet[Delivery], name: str) -> HttpResponseBase:
    pieces = spreadsheets.stream_csv(HEADER, rows(deliveries))
    return StreamingHttpResponse(
        pieces,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _xlsx(deliveries: QuerySet[Delivery], name: str) -> HttpResponseBase:
    file = TemporaryFile()  # noqa: SIM115  (the response closes it)
    spreadsheets.write_xlsx(HEADER, rows(deliveries), cast(Any, file))
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx")


#: By the kind that the URL names.
EXPORTS = {"csv": _csv, "xlsx": _xlsx}


def is_too_long(kind: str, deliveries: QuerySet[Delivery]) -> bool:
    return kind == "xlsx" and deliveries.order_by()[: MAX_XLSX + 1].count() > MAX_XLSX


def export(
    *, kind: str, broadcast: Broadcast, deliveries: QuerySet[Delivery], user_id: int, query: QueryDict
) -> HttpResponseBase:
    """The file. It takes addresses out of the product, so the broadcast's history keeps who took them, and when."""
    narrowed = selection.in_words(query, but=OWNER)
    LogEntry.objects.create(
        user_id=user_id,
        content_type=ContentType.objects.get_for_model(Broadcast),
        object_id=str(broadcast.pk),
        object_repr=str(broadcast)[:200],
        action_flag=CHANGE,
        change_message=f"Exported deliveries as {kind.upper()}{narrowed and f', of which {narrowed}'}.",
    )
    logger.info("user %d exports deliveries of broadcast %d as %s", user_id, broadcast.pk, kind)
    return EXPORTS[kind](deliveries, f"broadcast-{broadcast.pk}-deliveries")
