"""The record of who got what, when, and why somebody did not; and the way from it to a decision about some of them."""

from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifier.admin.deliveries import results
from notifier.admin.deliveries.recovery import DECISIONS, Decision, DecisionForm, counted, outcome
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.admin.lists.change_list import BoundedChangeList
from notifier.admin.lists.paginator import MAX_COUNTED
from notifier.admin.lists.search import matching, may_find_erased
from notifier.admin.lists.selection import MAX_CHOSEN, Selection
from notifier.consent import suppression_history
from notifier.delivery import recovery
from notifier.explanations import explanation
from notifier.models import Channel, Client, Delivery, ProviderEvent, Resolution, ResolvedDelivery
from notifier.runtime import clock
from notifier.wording.badges import state_badge

RESOLVE = "notifier.resolve_delivery"
#: Of those that a decision is about, so many are shown before it is taken.
SHOWN = 10
#: Decisions on a delivery's own page.
MAX_DECISIONS = 50


class ResolutionFilter(admin.SimpleListFilter):
    """The deliveries of one decision; offered only where the address names it."""

    title = "decision"
    parameter_name = "resolution"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self.value()
        return [(chosen, f"#{chosen}")] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        chosen = self.value() or ""
        if not (chosen.isdecimal() and len(chosen) < 19):
            return queryset.none() if chosen else queryset
        return queryset.filter(pk__in=ResolvedDelivery.objects.filter(resolution=int(chosen)).values("delivery"))


class DueChangeList(BoundedChangeList):
    """Of deliveries in a state in which something has to happen yet."""

    def found_ids(self) -> list[Any]:
        # Says nothing new, but only so does an index answer that holds these few, and not the millions.
        due = self.queryset.filter(due_at__isnull=False)
        return list(due.order_by().values_list("pk", flat=True)[:MAX_COUNTED])


def _of(delivery: Delivery) -> list[Q]:
    """The events about it. Found by the address, which is indexed; of one that was erased, by its digests."""
    names = [address.digest for address in delivery.client.erased_addresses.all()]
    if delivery.address:
        names += suppression_history.names_of(channel=Channel(delivery.channel), address=delivery.address).names
    return [Q(delivery_id=delivery.pk), Q(address__in=names)]


#: What the list may be of, and how its address says so.
OWNERS = {"broadcast": results.OWNER, "client": "client__id__exact", "decision": "resolution"}


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("recipient", "channel", "address", "state_shown", "detail", "settled", "message")
    list_display_links = ("recipient",)
    list_filter = ("state", "channel", results.ReasonFilter, ResolutionFilter)
    list_select_related = ("client", "broadcast")
    search_fields = ("client__name",)
    search_help_text = "A client’s name, or the beginning of the client’s e-mail address or phone number."
    ordering = ("-pk",)
    actions = ("mark_as_sent", "send_again")
    fieldsets = (
        (None, {"fields": ("client", "message", "channel", "address")}),
        ("Outcome", {"fields": ("state_shown", "detail", "settled_at", "attempts", "due_at", "provider_id")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        # The texts of one broadcast would come with every row.
        return super().get_queryset(request).defer("broadcast__email_body", "broadcast__sms_body", "broadcast__tally")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return DueChangeList if request.GET.get("state__exact") in Delivery.OPEN else BoundedChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        if not search_term.strip():
            return queryset, False
        found = Client.objects.filter(matching(search_term, erased=may_find_erased(request)))
        return queryset.filter(client__in=found.values("pk")), False

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        shown = self.list_display
        return tuple(name for name in shown if name != "message") if results.OWNER in request.GET else shown

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # Of one broadcast in the order of the unique key: backwards by id PostgreSQL would walk all later ones first.
        return ("broadcast_id", "client_id", "channel") if results.OWNER in request.GET else ("-pk",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = {}
        for owner, name in OWNERS.items():
            if (chosen := request.GET.get(name, "")).isdecimal():
                title = {"title": f"Deliveries of {owner} #{chosen}"}
        broadcast = results.owner(request) if self.has_view_permission(request) else None
        head = results.head(request, broadcast) if broadcast else {}
        return super().changelist_view(request, {**title, **head, **(extra_context or {})})

    @admin.display(description="client")
    def recipient(self, delivery: Delivery) -> str:
        return delivery.client.name

    @admin.display(description="broadcast")
    def message(self, delivery: Delivery) -> SafeString:
        url = reverse("admin:notifier_broadcast_progress", args=[delivery.broadcast_id])
        return format_html('<a href="{}">{}</a>', url, delivery.broadcast)

    @admin.display(description="state")
    def state_shown(self, delivery: Delivery) -> SafeString:
        return state_badge(Delivery.State(delivery.state))

    @admin.display(description="settled")
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
            if self.has_view_permission(request) and request.user.has_perm("notifier.view_client"):
                extra["explanation"] = explanation.explain_delivery(delivery, now=clock.now())
            if request.user.has_perm("notifier.view_providerevent"):
                extra["events"] = ProviderEvent.objects.filter(*_of(delivery)).order_by("-at", "-pk")[:MAX_DECISIONS]
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    def _open_decisions(self, request: HttpRequest, delivery: Delivery) -> list[tuple[Decision, str]]:
        """Each with its address. The page behind it says what may still stand in the way."""
        if not self.has_resolve_delivery_permission(request):
            return []
        return [
            (decision, self._page_of(decision, Selection([delivery.pk], None)))
            for decision in DECISIONS.values()
            if delivery.state in recovery.RESOLVABLE[decision.action]
        ]

    # --- Decisions ---
    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("resolve/<str:name>/", guard(self.resolve_view), name="notifier_delivery_resolve"),
            path("export/<str:kind>/", guard(self.export_view), name="notifier_delivery_export"),
            *super().get_urls(),
        ]

    def has_resolve_delivery_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(RESOLVE)

    @admin.action(description="Mark as sent…", permissions=["resolve_delivery"])
    def mark_as_sent(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._to_page(request, queryset, DECISIONS["mark-as-sent"])

    @admin.action(description="Send again…", permissions=["resolve_delivery"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._to_page(request, queryset, DECISIONS["send-again"])

    def _to_page(self, request: HttpRequest, queryset: QuerySet[Delivery], decision: Decision) -> HttpResponse:
        """The ids of those that were ticked, or else how the list found them all: there may be a million."""
        query = request.GET.copy()
        query.pop("p", None)
        ids: list[int] = []
        if request.POST.get("select_across") != "1":
            ids = list(queryset.order_by("pk").values_list("pk", flat=True)[:MAX_CHOSEN])
        return redirect(self._page_of(decision, Selection(ids, query.urlencode())))

    def _page_of(self, decision: Decision, selection: Selection) -> str:
        return f"{self.page_url('resolve', decision.name)}?{selection.query()}"

    def resolve_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """GET asks, POST does it."""
        if not (self.has_view_permission(request) and self.has_resolve_delivery_permission(request)):
            raise PermissionDenied
        decision = DECISIONS.get(name)
        if decision is None:
            raise Http404
        selection = Selection.read(request.GET)
        rows = self.selected_rows(request, selection) if selection else None
        if selection is None or rows is None:
            self.message_user(request, "Choose the deliveries from this list.", messages.WARNING)
            return redirect(self.page_url("changelist"))
        context = {"back": self._back(selection)}
        if later := deferred_counts.address(request, is_long=rows.is_long):
            return self._ask(request, decision, rows.found, context | {"counting": later})
        # What is settled from here on is not on the page, and is not what was decided on.
        now = clock.now()
        seen = recovery.prospect(action=decision.action, deliveries=rows.found, now=now)
        form = DecisionForm(request.POST if request.method == "POST" else None)
        form.fields["twice"].required = decision.action == Resolution.Action.SENT_AGAIN and seen.unknown > 0
        if form.is_valid():
            self._take(request, decision, rows.found.filter(settled_at__lte=form.cleaned_data["seen_at"]), form)
            return redirect(self._back(selection))
        counts = {"prospect": seen, "seen_at": now.isoformat(), "form": form}
        return self._ask(request, decision, rows.found, context | counts)

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """What the list of a broadcast's deliveries finds, as a file."""
        if not (self.has_view_permission(request) and request.user.has_perm(results.EXPORT)):
            raise PermissionDenied
        if kind not in results.EXPORTS:
            raise Http404
        broadcast = results.owner(request)
        rows = self.selected_rows(request, Selection([], request.GET.urlencode())) if broadcast else None
        if broadcast is None or rows is None:
            self.message_user(request, "Choose a broadcast first: its deliveries are exported.", messages.WARNING)
            return redirect(self.page_url("changelist"))
        if results.is_too_long(kind, rows.found):
            text = f"More than {results.MAX_XLSX:,} rows are too much for XLSX. Take CSV, or filter the list first."
            self.message_user(request, text, messages.WARNING)
            return redirect(f"{self.page_url('changelist')}?{request.GET.urlencode()}")
        who = cast(int, request.user.pk)
        return results.export(kind=kind, broadcast=broadcast, deliveries=rows.found, user_id=who)

    def _take(self, request: HttpRequest, decision: Decision, rows: QuerySet[Delivery], form: DecisionForm) -> None:
        resolved = decision.take(
            deliveries=rows, by=cast(User, request.user), why=form.cleaned_data["why"], now=clock.now()
        )
        level, text = outcome(decision, resolved)
        self.message_user(request, text, level)

    def _ask(
        self, request: HttpRequest, decision: Decision, rows: QuerySet[Delivery], context: dict[str, Any]
    ) -> HttpResponse:
        seen: recovery.Prospect | None = context.get("prospect")
        # In the order of the list, which an index keeps; the newest of one broadcast stand behind all later ones.
        resolvable = rows.filter(state__in=recovery.RESOLVABLE[decision.action]).select_related("client", "broadcast")
        some = list(resolvable[: SHOWN + 1])
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _title(decision, seen),
            "decision": decision,
            "button": decision.button.format(f"{seen.number:,}") if seen else "",
            "some": some[:SHOWN],
            "more": len(some) > SHOWN,
        }
        return TemplateResponse(request, "admin/notifier/delivery/resolve.html", page | context)

    def _back(self, selection: Selection) -> str:
        if selection.listed is None:
            return self.page_url("change", *selection.ids) if len(selection.ids) == 1 else self.page_url("changelist")
        return f"{self.page_url('changelist')}?{selection.listed}"


def _title(decision: Decision, seen: recovery.Prospect | None) -> str:
    if seen is None:
        return decision.question.format("these deliveries")
    return decision.question.format(counted(seen.number)) if seen.number else f"{decision.label}: nothing to do"
