"""The addresses that are never written to: staff see, add and lift them, each with a reason, and edit none."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from notifier.admin.consent import lifting
from notifier.admin.lists import routing, search
from notifier.admin.lists.addresses import readable
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import Selection
from notifier.consent import suppression_history, suppressions
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, Suppression, typed_phones
from notifier.runtime import clock
from notifier.staff import groups


class SuppressionForm(forms.ModelForm):
    class Meta:
        model = Suppression
        fields = ("channel", "address", "reason")
        help_texts = {"reason": _("Recorded with your name. For example: “asked by phone”. Don’t repeat the address.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A reader's form has no fields.
        if address := self.fields.get("address"):
            address.help_text = f"An e-mail address, or a phone number. {typed_phones.how_to_write()}"


@admin.register(Suppression)
class SuppressionAdmin(BackOfficeAdmin):
    form = SuppressionForm
    list_display = ("shown_address", "channel", "shown_source", "reason", "created_at")
    list_filter = ("source", "channel")
    search_fields = ("address__startswith",)
    search_help_text = _(
        "Search by the start of an e-mail address or phone number, by a client’s name, or by # and the client’s "
        "number. For an erased address, enter all of it."
    )
    search_help_without_clients = _(
        "Search by the start of an e-mail address or phone number. For an erased one, enter all of it."
    )
    ordering = ("-pk",)
    actions = (lifting.lift_selected,)
    readonly_fields = ("shown_address", "channel", "shown_source", "reason", "created_at")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        """By the beginning of the address, by all of one that was erased, or by whose it is."""
        if not search_term.strip():
            return queryset, False
        found = search.owned(search_term, field="address", channels=tuple(Channel), request=request, erased=True)
        return queryset.filter(found), False

    @admin.display(description=_("address"))
    def shown_address(self, suppression: Suppression) -> SafeString:
        return readable(suppression.shown_address)

    @admin.display(description=_("source"))
    def shown_source(self, suppression: Suppression) -> SafeString:
        return lifting.source_badge(suppression)

    # --- Entering ---
    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else SuppressionForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        channel, address = Channel(obj.channel), obj.address
        evidence = Evidence(Source.STAFF, obj.reason, by=cast(User, request.user))
        suppressions.suppress(channel=channel, address=address, evidence=evidence, now=clock.now())
        # The row as it is kept: an erased address has one already, and the page may tell nothing but its digest.
        kept = Suppression.objects.filter(suppressions.known(channel, address)).order_by("pk")[:1].get()
        obj.pk, obj.address = kept.pk, kept.address

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the stock log would keep the address. The suppression history says who, when and why."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- Its page ---
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        extra = self._record(request, row) if row is not None and self.has_view_permission(request) else {}
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    def _record(self, request: HttpRequest, row: Suppression) -> dict[str, Any]:
        may_lift = row.source in lifting.liftable_sources(request.user)
        shown: dict[str, Any] = {"lift": lifting.lift_url(self, Selection([row.pk], None)) if may_lift else ""}
        address = suppression_history.names_of(channel=Channel(row.channel), address=row.address)
        if request.user.has_perm(groups.VIEW_SUPPRESSIONCHANGE):
            shown["timeline"] = suppression_history.timeline([address])
        if request.user.has_perm(groups.VIEW_PROVIDEREVENT):
            shown["events"] = suppression_history.events([address])[: suppression_history.MAX_CHANGES]
        return shown

    # --- Lifting ---
    def get_urls(self) -> list[URLPattern]:
        return [routing.page(self, lifting.lift_page, name="lift", route="lift/"), *super().get_urls()]

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return bool(lifting.liftable_sources(request.user))
