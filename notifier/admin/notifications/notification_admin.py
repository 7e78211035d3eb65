"""Notifications: their list, the form in which they are written, their history, and the routes to their pages."""

from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, DateTimeField, IntegerField, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from simple_history.admin import SimpleHistoryAdmin

from notifier.admin.broadcasts import email_preview
from notifier.admin.lists import saving, search
from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.admin.lists.routing import page
from notifier.admin.notifications import (
    beginnings,
    confirm_page,
    draft_pages,
    drafts,
    duplicate,
    handing_over,
    hard_readers,
    pictures,
    placeholder_fields,
    send_test,
    unsaved,
)
from notifier.admin.notifications.confirm_page import MAX_AT_ONCE
from notifier.admin.notifications.drafts import Draft
from notifier.admin.notifications.forms import NotificationForm
from notifier.admin.notifications.versions import ChangesByLanguage
from notifier.broadcasts import approvals
from notifier.languages import offered
from notifier.messages import placeholders
from notifier.messages.text_templates import TEMPLATES
from notifier.models import Broadcast, Channel, Notification
from notifier.notifications import statuses
from notifier.notifications.statuses import with_status
from notifier.pictures import usage
from notifier.staff import groups
from notifier.wording import numbers
from notifier.wording.badges import badge

#: The buttons over the e-mail text, each with its icon and, where it has one, its key. What they do: formatting.js.
FORMATS = [
    {"name": "bold", "label": "Bold", "icon": "format/bold", "key": "B"},
    {"name": "link", "label": "Link", "icon": "format/link", "key": "K"},
    {"name": "list", "label": "List", "icon": "format/list", "key": ""},
    {"name": "heading", "label": "Heading", "icon": "format/heading", "key": ""},
    {"name": "button", "label": "Button", "icon": "format/button", "key": ""},
]


@admin.register(Notification)
class NotificationAdmin(SimpleHistoryAdmin, GuardedDeleteAdmin):
    list_display = ("title", "status_shown", "topic", "texts", "sent_times", "last_sent", "created_at")
    list_filter = (handing_over.StatusFilter, "topic")
    list_select_related = ("topic", "ready_by")
    search_fields = ("subject__icontains",)
    search_help_text = _("Search by subject.")
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    actions = ("broadcast_selected",)
    form = NotificationForm
    fieldsets = (
        (None, {"fields": ("topic", "subject")}),
        (_("E-mail"), {"fields": ("preheader", "email_body")}),
        (_("SMS"), {"fields": ("sms_body",)}),
    )
    object_history_template = "admin/notifier/notification/history.html"
    object_history_list_template = "admin/notifier/notification/earlier_versions.html"

    def history_form_view_title(self, request: HttpRequest, obj: Any) -> str:
        return f"Earlier version of {obj}"

    def get_urls(self) -> list[URLPattern]:
        framed = email_preview.POLICY
        preview, hard = confirm_page.email_preview_page, hard_readers.hard_readers_page
        return [
            page(self, confirm_page.confirm_page, name="broadcast", route="broadcast/"),
            page(self, preview, name="email_preview", route="<int:notification_id>/email/", policy=framed),
            page(self, draft_pages.preview_page, name="preview", route="preview/", policy=draft_pages.POLICY),
            page(self, draft_pages.check_page, name="check", route="check/"),
            page(self, unsaved.keep_page, name="keep", route="unsaved/"),
            page(self, unsaved.discard_page, name="discard", route="unsaved/discard/"),
            page(self, draft_pages.readers_page, name="readers", route="readers/"),
            page(self, hard, name="hard_readers", route="hard-readers/", policy=draft_pages.POLICY),
            page(self, pictures.pictures_page, name="pictures", route="pictures/"),
            page(self, send_test.send_test_page, name="test", route="test/<str:name>/", policy=framed),
            page(self, duplicate.duplicate_page, name="duplicate", route="<path:object_id>/duplicate/"),
            *super().get_urls(),
        ]

    # --- The list ---
    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        sent = Broadcast.objects.filter(notification=OuterRef("pk")).exclude(started_at=None).order_by()
        times = sent.values("notification").annotate(number=Count("pk")).values("number")
        last = sent.order_by("-pk").values("started_at")[:1]
        found: QuerySet[Notification] = with_status(super().get_queryset(request)).annotate(
            times_sent=Coalesce(Subquery(times), 0, output_field=IntegerField()),
            last_sent_at=Subquery(last, output_field=DateTimeField()),
        )
        return found

    @admin.display(description=_("status"))
    def status_shown(self, notification: Any) -> SafeString:
        return handing_over.shown(notification)

    @admin.display(description=_("subject"))
    def title(self, notification: Notification) -> str:
        return notification.title

    @admin.display(description=_("texts"))
    def texts(self, notification: Notification) -> SafeString:
        return format_html_join(
            " ", "{}", ((badge(text=str(channel.label), tone="quiet"),) for channel in notification.channels)
        )

    @admin.display(description=_("times sent"))
    def sent_times(self, notification: Any) -> int:
        return int(notification.times_sent)

    @admin.display(description=_("last sent"), empty_value="never")
    def last_sent(self, notification: Any) -> datetime | None:
        moment: datetime | None = notification.last_sent_at
        return moment

    def has_send_broadcast_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """For the action: Django asks for it by this name."""
        return request.user.has_perm(groups.SEND_BROADCAST)

    @admin.action(description=_("Broadcast selected notifications…"), permissions=["send_broadcast"])
    def broadcast_selected(self, request: HttpRequest, queryset: QuerySet[Notification]) -> HttpResponse | None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: MAX_AT_ONCE + 1])
        if len(ids) > MAX_AT_ONCE:
            self.message_user(
                request,
                gettext("Choose at most %(max_at_once)s notifications at once.") % {"max_at_once": MAX_AT_ONCE},
                messages.ERROR,
            )
            return None
        return confirm_page.to_page(self, ids)

    def reason_to_keep(self, obj: Notification) -> str:
        if not obj.broadcasts.exists():
            return ""
        return gettext(
            "“%(obj)s” can’t be deleted, because it has been sent and the record of who got it is kept. Keep "
            "it, and write a new one next time."
        ) % {"obj": obj}

    # --- The form ---
    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        writes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return unsaved.in_form(form, request, obj) if writes else form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        writes = self.has_change_permission(request) if object_id else self.has_add_permission(request)
        may_test = send_test.may_test(self, request, is_saved=bool(object_id))
        extra = {
            "writes": writes,
            "channels": list(Channel),
            "screens": draft_pages.SCREENS.items(),
            "placeholders": placeholders.as_written(),
            "field_placeholders": placeholders.as_written(placeholder_fields.meanings()),
            "fallback": placeholders.Use("first_name", placeholders.FALLBACK),
            "formats": FORMATS,
            "languages": offered.choices() if len(offered.codes()) > 1 else [],
            "default_language": offered.name(offered.default()),
            # Whoever has written one begins the next from a copy.
            "show_save_and_add_another": False,
            "search_help": search.HELP,
            "may_broadcast": request.user.has_perm(groups.SEND_BROADCAST),
            "may_test": may_test,
            "colleagues": send_test.colleagues(request) if may_test else [],
        }
        return super().changeform_view(request, object_id, form_url, extra | (extra_context or {}))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Of a new one: the texts of a template, or of an earlier one."""
        beginning = self._beginning(request)
        return beginning.values if beginning else super().get_changeform_initial_data(request)

    def _beginning(self, request: HttpRequest) -> beginnings.Beginning | None:
        return beginnings.chosen(request, may_view=self.has_view_permission(request))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if context.get("writes"):
            context["unsaved"] = offer = unsaved.offer(request, obj)
            beginning = None if obj else self._beginning(request)
            saved = Draft.of(obj) if obj else Draft.read_values(beginning.values) if beginning else drafts.EMPTY
            draft = Draft.read(request.POST.dict()) if request.method == "POST" else saved
            if offer and offer.is_restored:
                draft = unsaved.draft_of(offer.kept)
            context["checks"] = draft_pages.checks(draft, draft_pages.reader_of(request, draft))
            context["not_begun"] = list(approvals.not_begun(notification=obj)) if obj else []
            if not obj and request.method != "POST" and not (offer and offer.is_restored):
                context["beginning"], context["templates"] = beginning, TEMPLATES.items()
                context["earlier"] = beginnings.earlier_ones() if self.has_view_permission(request) else []
        if obj:
            context["handing_over"] = handing_over.HandingOver.of(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Saves, and in the same transaction gives the new text to broadcasts that wait for approval."""
        was_ready = change and statuses.is_ready(notification_id=obj.pk)
        super().save_model(request, obj, form, change)
        usage.keep_those_in(obj.email_body, *(texts.email_body for texts in obj.other_texts.values()))
        unsaved.saved(request, obj if change else None)
        if not change:
            return
        if was_ready and not statuses.is_ready(notification_id=obj.pk):
            self.message_user(request, handing_over.DRAFT_AGAIN, messages.WARNING)
        if number := approvals.take_edit(notification=obj, by=cast(User, request.user)):
            words = numbers.counted(number, "broadcast that has", "broadcasts that have")
            self.message_user(
                request,
                (
                    gettext("%(words)s not started now uses the new text, which has to be approved.") % {"words": words}
                    if number == 1
                    else gettext("%(words)s not started now use the new text, which has to be approved.")
                    % {"words": words}
                ),
                messages.WARNING,
            )
        kept = Broadcast.objects.filter(notification=obj, state=Broadcast.State.SCHEDULED, needs_approval=False)
        if old := [broadcast for broadcast in kept.select_related("notification") if broadcast.is_outdated]:
            names = ", ".join(f"#{broadcast.pk}" for broadcast in old)
            self.message_user(
                request,
                gettext("Scheduled with the earlier text: %(names)s. To send the new text, cancel and broadcast again.")
                % {"names": names},
                messages.WARNING,
            )

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing where nothing was changed: whoever goes on to send saves first, whether or not there is an edit."""
        return super().log_change(request, obj, message) if message else None

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return handing_over.after_save(self, request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return handing_over.after_save(self, request, obj) or super().response_change(request, obj)

    # --- Its history ---
    def get_historical_record_context_helper(self, request: HttpRequest, historical_record: Any) -> ChangesByLanguage:
        return ChangesByLanguage(self.model, historical_record)

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        return not self.has_change_permission(request, obj)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # The library lets everybody save who may read.
        if request.method == "POST" and self.revert_disabled(request):
            raise PermissionDenied
        if request.method != "POST":
            shown: HttpResponse = super().history_form_view(request, object_id, version_id, extra_context)
            return shown
        with transaction.atomic():
            saving.lock(self.model, object_id)
            saved: HttpResponse = super().history_form_view(request, object_id, version_id, extra_context)
            return saved
