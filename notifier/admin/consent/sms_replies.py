"""SMS replies of clients: staff read them and mark them as read. Opening one changes nothing."""

import re
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.addresses.phones import E164
from notifier.admin.lists import routing, search
from notifier.admin.lists.addresses import readable
from notifier.admin.lists.base import BackOfficeAdmin, ReadOnlyAdmin
from notifier.admin.lists.change_list import BoundedChangeList
from notifier.consent import sms_replies
from notifier.models import Channel, Client, InboundMessage, shown
from notifier.runtime import clock
from notifier.staff import groups
from notifier.wording import numbers
from notifier.wording.badges import reply_badge

#: Letters of a text in the list; a message may have ten segments.
TEXT_LENGTH = 160
_WAITS = Q(read_at=None, outcome=InboundMessage.Outcome.KEPT)
_UNREAD_FIRST = Case(When(_WAITS, then=Value(0)), default=Value(1), output_field=IntegerField()).asc()


class WaitingFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unread", gettext("Unread")), ("done", gettext("Read or handled"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[InboundMessage]) -> QuerySet[InboundMessage]:
        if self.value() == "unread":
            return queryset.filter(_WAITS)
        return queryset.exclude(_WAITS) if self.value() == "done" else queryset


class InboxList(BoundedChangeList):
    def get_results(self, request: HttpRequest) -> None:
        """Looks up the clients of all numbers on the page in one query."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        may_see = request.user.has_perm(groups.VIEW_CLIENT)
        known = _clients([row.sender for row in rows]) if may_see else {}
        for row in rows:
            row.client = known.get(row.sender)
        self.result_list = rows


# --- Marking as read ---
def mark_read_page(model_admin: BackOfficeAdmin, request: HttpRequest, message_id: int) -> HttpResponse:
    """POST only: the button on a message's own page."""
    if not (model_admin.has_view_permission(request) and request.user.has_perm(groups.CHANGE_INBOUNDMESSAGE)):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    _mark_read(model_admin, request, [message_id])
    return redirect(model_admin.page_url("changelist"))


@admin.action(description=_("Mark as read"), permissions=["read"])
def mark_as_read(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[InboundMessage]) -> None:
    ticked = [numbers.read_id(pk) or 0 for pk in request.POST.getlist("_selected_action")]
    # "All of them" means those that the list showed: what has arrived since, nobody has read.
    ids = queryset.filter(_WAITS, pk__lte=max(ticked, default=0)).order_by().values_list("pk", flat=True)
    _mark_read(model_admin, request, list(ids))


def _mark_read(model_admin: BackOfficeAdmin, request: HttpRequest, ids: list[int]) -> None:
    number = sms_replies.mark_read(ids=ids, by=cast(User, request.user), now=clock.now())
    if number:
        words = numbers.counted(number, "SMS reply", "SMS replies")
        model_admin.message_user(request, gettext("%(words)s marked as read.") % {"words": words}, messages.SUCCESS)
    else:
        text = gettext("Nothing was marked: these were already read.")
        model_admin.message_user(request, text, messages.INFO)


@admin.register(InboundMessage)
class InboxAdmin(ReadOnlyAdmin):
    list_display = ("text_shown", "outcome_shown", "sender_shown", "client_shown", "received_at")
    list_filter = (WaitingFilter, "outcome")
    search_fields = ("sender",)
    search_help_text = _(
        "Search by the start of a phone number, such as +44 20, by a client’s name or e-mail address, or by # and the "
        "client’s number."
    )
    search_help_without_clients = _("Search by the start of a phone number, such as +44 20.")
    ordering = (_UNREAD_FIRST, "-pk")
    actions = (mark_as_read,)
    fields = ("text", "outcome_shown", "sender_shown", "client_shown", "received_at", "read_shown", "provider_shown")
    readonly_fields = ("outcome_shown", "sender_shown", "client_shown", "read_shown", "provider_shown")

    # --- The list ---
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return InboxList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[InboundMessage], search_term: str
    ) -> tuple[QuerySet[InboundMessage], bool]:
        """By the number, by whose it is, or by a short code or a name in letters as it stands."""
        if not (term := search_term.strip()):
            return queryset, False
        erased = search.may_find_erased(request)
        found = search.owned(term, field="sender", channels=[Channel.SMS], request=request, erased=erased)
        return queryset.filter(search.begins("sender", term) | found), False

    @admin.display(description=_("reply"))
    def text_shown(self, message: InboundMessage) -> str:
        text = " ".join(message.text.split()) or "(empty)"
        return text if len(text) <= TEXT_LENGTH else f"{text[: TEXT_LENGTH - 1]}…"

    @admin.display(description=_("outcome"))
    def outcome_shown(self, message: InboundMessage) -> SafeString:
        return reply_badge(message)

    @admin.display(description=_("from"))
    def sender_shown(self, message: InboundMessage) -> SafeString:
        return readable(shown(message.sender))

    @admin.display(description=_("client"))
    def client_shown(self, message: Any) -> SafeString | None:
        client: Client | None = message.client
        if client is None:
            return None
        return format_html('<a href="{}">{}</a>', reverse("admin:notifier_client_change", args=[client.pk]), client)

    # --- One message ---
    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        message: Any = super().get_object(request, object_id, from_field)
        if message is not None:
            may_see = request.user.has_perm(groups.VIEW_CLIENT)
            message.client = _clients([message.sender]).get(message.sender) if may_see else None
        return message

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"may_mark": self.has_read_permission(request)}
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    @admin.display(description=_("read"))
    def read_shown(self, message: InboundMessage) -> str:
        if message.outcome != InboundMessage.Outcome.KEPT:
            return "not needed: handled automatically"
        if message.read_at is None:
            return "not yet"
        by = message.read_by.get_username() if message.read_by else "a deleted user"
        return f"{date_format(localtime(message.read_at), 'j M Y, H:i')}, by {by}"

    @admin.display(description=_("delivered by"))
    def provider_shown(self, message: InboundMessage) -> str:
        return f"{message.provider}, {message.provider_id}"

    # --- Marking as read ---
    def get_urls(self) -> list[URLPattern]:
        route = "<int:message_id>/read/"
        return [routing.page(self, mark_read_page, name="read", route=route), *super().get_urls()]

    def has_read_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(groups.CHANGE_INBOUNDMESSAGE)


def _clients(numbers: list[str]) -> dict[str, Client]:
    """By their phone number, which is unique; a name in letters is nobody's."""
    phones = [number for number in numbers if re.fullmatch(E164, number)]
    return {str(client.phone): client for client in Client.objects.filter(phone__in=phones)} if phones else {}
