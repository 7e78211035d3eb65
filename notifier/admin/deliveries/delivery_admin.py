"""The record of who got what, when, and why somebody did not; from its list staff decide about some of them."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifier.admin.deliveries import client_search, export_page, resolve_page, results
from notifier.admin.deliveries.recovery import DECISIONS, DeliveryDecision
from notifier.admin.lists import search
from notifier.admin.lists.addresses import readable
from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.admin.lists.change_list import BoundedChangeList
from notifier.admin.lists.paginator import MAX_COUNTED
from notifier.admin.lists.routing import page
from notifier.admin.lists.selection import Selection
from notifier.consent import suppression_history
from notifier.delivery import obstacles
from notifier.explanations import explanation
from notifier.languages import offered
from notifier.models import Channel, Delivery, ProviderEvent, Receipt, ResolvedDelivery
from notifier.receipts import standing
from notifier.receipts.standing import Standing
from notifier.runtime import clock
from notifier.staff import groups
from notifier.wording import numbers, wall_clocks
from notifier.wording.badges import state_badge
from notifier.wording.model_names import NOTHING

#: Decisions and events that a delivery's own page shows.
MAX_DECISIONS = 50


class ResolutionFilter(admin.SimpleListFilter):
    """The deliveries of one decision; offered only where the URL names it."""

    title = "decision"
    parameter_name = "resolution"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self.value()
        return [(chosen, f"#{chosen}")] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        if not (chosen := self.value()):
            return queryset
        decided = ResolvedDelivery.objects.filter(resolution=numbers.read_id(chosen))
        return queryset.filter(pk__in=decided.values("delivery"))


class DueChangeList(BoundedChangeList):
    """The list of deliveries that are not settled yet."""

    def found_ids(self) -> list[Any]:
        # The state says so already, but with this condition the small index of due deliveries answers.
        due = self.queryset.filter(due_at__isnull=False)
        return list(due.order_by().values_list("pk", flat=True)[:MAX_COUNTED])


def _events_about(delivery: Delivery) -> list[Q]:
    """By its id, and by the address, which is indexed; an erased client's is found by its digests."""
    names = [address.digest for address in delivery.client.erased_addresses.all()]
    if delivery.address:
        names += suppression_history.names_of(channel=Channel(delivery.channel), address=delivery.address).names
    return [Q(delivery_id=delivery.pk), Q(address__in=names)]


#: Whose deliveries the list may show, and the parameter that says so.
OWNERS = {"broadcast": results.OWNER, "client": "client__id__exact", "decision": "resolution"}


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("recipient", "channel", "shown_address", "state_shown", "reason_shown", "settled", "message")
    list_filter = ("state", "channel", results.ReasonFilter, results.ReceiptFilter, ResolutionFilter)
    linked_by = (results.OWNER, OWNERS["client"])
    list_select_related = ("client", "broadcast")
    search_fields = ("client__name",)
    search_help_text = search.HELP.replace("name", "client’s name", 1)
    ordering = ("-pk",)
    actions = ("mark_as_sent", "send_again")
    fieldsets = (
        (None, {"fields": ("client", "message", "channel", "shown_address", "language_shown")}),
        (
            "Status",
            {
                "fields": (
                    "state_shown",
                    "reason_shown",
                    "receipt_shown",
                    "settled_at",
                    "attempts",
                    "due_at",
                    "provider_id",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        # Every row would bring the texts of its broadcast.
        return (
            super()
            .get_queryset(request)
            .defer("broadcast__email_body", "broadcast__sms_body", "broadcast__variants", "broadcast__tally")
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return DueChangeList if request.GET.get("state__exact") in Delivery.OPEN else BoundedChangeList

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        # A number that is found letter by letter is a number that is shown.
        return self.search_fields if request.user.has_perm(groups.VIEW_CLIENT) else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        if not search_term.strip() or not self.get_search_fields(request):
            return queryset, False
        return client_search.found(request, queryset, search_term), False

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        shown = [name for name in self.list_display if name != "message" or results.OWNER not in request.GET]
        if not request.user.has_perm(groups.VIEW_CLIENT):
            shown[shown.index("recipient")] = "number_of_recipient"
        return tuple(shown)

    def get_fieldsets(self, request: HttpRequest, obj: Delivery | None = None) -> Any:
        """Whom it is for is named to those who may see clients, and told by the client's number to others."""
        (title, first), *others = super().get_fieldsets(request, obj)
        if request.user.has_perm(groups.VIEW_CLIENT):
            return [(title, first), *others]
        names = ["number_of_recipient" if name == "client" else name for name in first["fields"]]
        return [(title, {**first, "fields": names}), *others]

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        return list_display[:1]

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # One broadcast's are read in the order of the unique key. By id, newest first, PostgreSQL would read all later
        # deliveries before it comes to them.
        return ("broadcast_id", "client_id", "channel") if results.OWNER in request.GET else ("-pk",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = {}
        for owner, name in OWNERS.items():
            if (chosen := numbers.read_id(request.GET.get(name, ""))) is not None:
                title = {"title": f"Messages of {owner} #{chosen}"}
        broadcast = results.owner(request) if self.has_view_permission(request) else None
        head = results.head(request, broadcast) if broadcast else {}
        return super().changelist_view(request, {**title, **head, **(extra_context or {})})

    @admin.display(description="client")
    def recipient(self, delivery: Delivery) -> str:
        return delivery.client.name

    @admin.display(description="client")
    def number_of_recipient(self, delivery: Delivery) -> str:
        return f"#{delivery.client_id}"

    @admin.display(description="broadcast")
    def message(self, delivery: Delivery) -> SafeString:
        url = reverse("admin:notifier_broadcast_progress", args=[delivery.broadcast_id])
        return format_html('<a href="{}">{}</a>', url, delivery.broadcast)

    @admin.display(description="address")
    def shown_address(self, delivery: Delivery) -> str:
        return readable(delivery.address) if delivery.address else NOTHING

    @admin.display(description="language")
    def language_shown(self, delivery: Delivery) -> str:
        """In which it was written, as far as it was: the text, and what we add to it."""
        if not delivery.attempts and delivery.state not in (Delivery.State.SENT, Delivery.State.SENDING):
            return NOTHING
        language = offered.of(delivery.language)
        written = delivery.broadcast.chosen(delivery.channel, language).language
        name = offered.name(language)
        return name if written == language else f"{name}, with the {offered.name(written)} text"

    @admin.display(description="status")
    def state_shown(self, delivery: Delivery) -> SafeString:
        return state_badge(Delivery.State(delivery.state))

    @admin.display(description="reason")
    def reason_shown(self, delivery: Delivery) -> str:
        return delivery.reason or NOTHING

    @admin.display(description="receipt")
    def receipt_shown(self, delivery: Delivery) -> str:
        """What the provider says of it, on the delivery's own page: a query."""
        receipt = Receipt.objects.filter(pk=delivery.pk).first()
        if receipt is None:
            expected = delivery.broadcast.tally.get(standing.EXPECTED, [])
            is_waited_for = delivery.state == Delivery.State.SENT and delivery.channel in expected
            return str(Standing.WAITING.label) if is_waited_for else NOTHING
        said = f"{receipt.get_state_display()}. {receipt.provider} said so at {wall_clocks.shown(receipt.at)}"
        if receipt.code:
            said += f" (code {receipt.code})"
        if receipt.delivered_at and receipt.state != Receipt.State.DELIVERED:
            said += f". It had said {wall_clocks.shown(receipt.delivered_at)} that it was delivered"
        return f"{said}. This settled the message." if receipt.is_proof else said

    @admin.display(description="processed")
    def settled(self, delivery: Any) -> datetime | None:
        moment: datetime | None = delivery.settled_at
        return moment

    # --- Its page ---
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self.get_object(request, unquote(object_id))
        extra: dict[str, Any] = {}
        if delivery is not None:
            resolutions = ResolvedDelivery.objects.filter(delivery=delivery.pk).select_related("resolution__by")
            extra = {
                "decisions": self._open_decisions(request, delivery),
                "resolutions": resolutions.order_by("-pk")[:MAX_DECISIONS],
            }
            if self.has_view_permission(request) and request.user.has_perm(groups.VIEW_CLIENT):
                extra["explanation"] = explanation.explain_delivery(delivery, now=clock.now())
            if request.user.has_perm(groups.VIEW_PROVIDEREVENT):
                extra["events"] = ProviderEvent.objects.filter(*_events_about(delivery)).order_by("-at", "-pk")[
                    :MAX_DECISIONS
                ]
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    def _open_decisions(self, request: HttpRequest, delivery: Delivery) -> list[tuple[DeliveryDecision, str]]:
        """What may be decided about it in its state, each with the URL of the page that asks."""
        if not self.has_resolve_delivery_permission(request):
            return []
        return [
            (decision, resolve_page.url(self, decision, Selection([delivery.pk], None)))
            for decision in DECISIONS.values()
            if delivery.state in obstacles.RESOLVABLE[decision.action]
        ]

    # --- Decisions ---
    def get_urls(self) -> list[URLPattern]:
        return [
            page(self, resolve_page.resolve_page, name="resolve", route="resolve/<str:name>/"),
            page(self, export_page.export_page, name="export", route="export/<str:kind>/"),
            *super().get_urls(),
        ]

    def has_resolve_delivery_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(groups.RESOLVE_DELIVERY)

    @admin.action(description="Mark as sent…", permissions=["resolve_delivery"])
    def mark_as_sent(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._to_page(request, queryset, DECISIONS["mark-as-sent"])

    @admin.action(description="Send again…", permissions=["resolve_delivery"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._to_page(request, queryset, DECISIONS["send-again"])

    def _to_page(self, request: HttpRequest, queryset: QuerySet[Delivery], decision: DeliveryDecision) -> HttpResponse:
        """To the page that asks. Its URL has the ticked ids, or the list's query for all that it finds."""
        return redirect(resolve_page.url(self, decision, Selection.of_action(request, queryset)))
