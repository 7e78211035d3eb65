"""What became of one broadcast's deliveries: the numbers above their list, and the filter by reason."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from notifier.admin.deliveries import export
from notifier.admin.lists import downloads
from notifier.models import Broadcast, Delivery, Reason
from notifier.progress import sheets, skip_reasons
from notifier.receipts import standing
from notifier.receipts.standing import Standing
from notifier.staff import groups
from notifier.wording import numbers

#: The parameter of the list's URL that names the broadcast.
OWNER = "broadcast__id__exact"


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
    sheet = sheets.sheet(broadcast)
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
        "most_xlsx": export.MAX_XLSX,
    }


def _exports(request: HttpRequest) -> list[tuple[str, str]]:
    """Each kind with its URL, which carries the filters of the list."""
    query = request.GET.copy()
    query.pop("p", None)
    urls = {kind: reverse("admin:notifier_delivery_export", args=[kind]) for kind in downloads.KINDS}
    return [(kind, f"{url}?{query.urlencode()}") for kind, url in urls.items()]


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
                words = Reason.in_words(reason.detail) or "no reason given"
                counts.setdefault(reason.detail, f"{words} ({reason.in_words} {reason.state.label.lower()})")
        if chosen:
            counts.setdefault(chosen, Reason.in_words(chosen))
        return list(counts.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        chosen = self.value()
        # Without the states no index would answer.
        return queryset if chosen is None else queryset.filter(detail=chosen, state__in=Delivery.UNSENT)


class ReceiptFilter(admin.SimpleListFilter):
    """What became of it once it was sent; offered where the list is of one broadcast."""

    title = "receipt"
    parameter_name = "receipt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        broadcast = owner(request)
        found = standing.of_broadcast(broadcast) if broadcast else []
        counts = {one: sum(channel.count(one) for channel in found) for one in Standing}
        return [(one.value, f"{one.label} ({number:,})") for one, number in counts.items() if found or self.value()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        chosen, broadcast_id = self.value(), numbers.read_id(request.GET.get(OWNER, ""))
        if chosen is None:
            return queryset
        # Among those of all broadcasts no index would answer.
        return standing.narrowed(queryset, chosen, broadcast_id=broadcast_id) if broadcast_id else queryset.none()
