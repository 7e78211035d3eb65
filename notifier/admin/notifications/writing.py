"""Writing a notification: its form, how it reads for one client, a test to oneself, a copy, its history."""

from collections.abc import Callable
from typing import Any, cast

from csp.decorators import csp
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from simple_history.admin import SimpleHistoryAdmin

from notifier.admin.broadcasts import email_preview
from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.admin.notifications import drafts
from notifier.admin.notifications.drafts import Draft, Reader
from notifier.broadcasts import approvals, notifications, test_sends
from notifier.messages import placeholders
from notifier.models import Channel, Notification, Profile
from notifier.runtime import clock
from notifier.web.htmx import HtmxHttpRequest

THEMES = ("light", "dark")
VIEW_CLIENTS = "notifier.view_client"
NO_ADDRESS = {Channel.EMAIL: "e-mail address", Channel.SMS: "phone number"}


class NotificationForm(forms.ModelForm):
    class Meta:
        help_texts = {
            "email_body": "Markdown: **bold**, *italic*, [a link](https://…), # heading, - list, 1. list, > quote, "
            "--- for a line across."
        }
        widgets = {
            "email_body": forms.Textarea(attrs={"rows": 14, "class": "vLargeTextField"}),
            "sms_body": forms.Textarea(attrs={"rows": 5, "class": "vLargeTextField"}),
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not {"email_body", "sms_body"} & self.errors.keys() and not (cleaned["email_body"] or cleaned["sms_body"]):
            # At the first of the fields, where it is mended; the constraint would say it above the form.
            self.add_error("email_body", "Write an e-mail text, an SMS text, or both.")
        return cleaned


class WritingAdmin(SimpleHistoryAdmin, GuardedDeleteAdmin):
    """What `NotificationAdmin` has for those who write."""

    form = NotificationForm
    readonly_fields = ("placeholders",)
    fieldsets = (
        (None, {"fields": ("topic", "subject", "placeholders")}),
        ("E-mail", {"fields": ("email_body",), "description": "Leave it empty to send no e-mail."}),
        ("SMS", {"fields": ("sms_body",), "description": "Leave it empty to send no SMS."}),
    )
    object_history_template = "admin/notifier/notification/history.html"
    object_history_list_template = "admin/notifier/notification/versions.html"

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, tuple[Callable[..., HttpResponse], str]] = {
            "preview/": (self.preview_view, "preview"),
            "check/": (self.check_view, "check"),
            "readers/": (self.readers_view, "readers"),
            "test/<str:name>/": (self.test_view, "test"),
            "<path:object_id>/duplicate/": (self.duplicate_view, "duplicate"),
        }
        guard = self.admin_site.admin_view
        urls = [path(url, guard(view), name=f"notifier_notification_{name}") for url, (view, name) in views.items()]
        return [*urls, *super().get_urls()]

    # --- The form ---
    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look is neither told what to leave empty nor offered placeholders to insert."""
        whole = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return whole
        return [
            (name, {"fields": tuple(field for field in options["fields"] if field != "placeholders")})
            for name, options in whole
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        writes = self.has_change_permission(request) if object_id else self.has_add_permission(request)
        extra = {"writes": writes, "channels": list(Channel)}
        return super().changeform_view(request, object_id, form_url, extra | (extra_context or {}))

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
            saved = Draft.of(obj) if obj else Draft(None, "", "", "")
            draft = Draft.read(request.POST.dict()) if request.method == "POST" else saved
            context["checks"] = self._checks(draft, self._reader(request, draft))
            context["not_begun"] = list(approvals.not_begun(notification=obj)) if obj else []
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _may_write(self, request: HttpRequest) -> bool:
        return bool(self.has_change_permission(request) or self.has_add_permission(request))

    def _require_writer(self, request: HttpRequest) -> None:
        if not self._may_write(request):
            raise PermissionDenied

    @admin.display(description="placeholders")
    def placeholders(self, notification: Notification) -> SafeString:
        rows = ((name, f"{{{{ {name} }}}}", meaning) for name, meaning in placeholders.PLACEHOLDERS.items())
        items = format_html_join("", '<li><code data-placeholder="{}">{}</code> {}</li>', rows)
        return format_html('<ul class="placeholders">{}</ul>', items)

    # --- How it reads ---
    @method_decorator(csp(email_preview.POLICY))
    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """A page for a frame: the draft that was posted, or a notification as it was saved, as a client sees it."""
        draft = self._draft(request)
        reader = self._reader(request, draft)
        return self._in_frame(
            request,
            "preview",
            reader=reader,
            shown=drafts.show(draft=draft, reader=reader),
            # Where nothing is live, the page around does not say these.
            checks=None if _asked(request).get("live") else self._checks(draft, reader),
        )

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """How long the draft's SMS is and what is wrong with it: a piece of the form's page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        draft = self._draft(request)
        context = {"checks": self._checks(draft, self._reader(request, draft))}
        return TemplateResponse(request, "admin/notifier/notification/checks.html", context)

    def readers_view(self, request: HttpRequest) -> HttpResponse:
        """The clients that what is being typed finds, as choices."""
        if not request.user.has_perm(VIEW_CLIENTS):
            raise PermissionDenied
        found = drafts.clients_found(request.GET.get("reader", ""))
        return TemplateResponse(request, "admin/notifier/notification/readers.html", {"found": found})

    def _draft(self, request: HttpRequest) -> Draft:
        if request.method == "POST":
            self._require_writer(request)
            return Draft.read(request.POST.dict())
        if not self.has_view_permission(request) and not self._may_write(request):
            raise PermissionDenied
        asked = request.GET.get("notification", "")
        if not asked:
            return Draft(None, "", "", "")
        found = self.get_object(request, asked)
        if found is None:
            raise Http404
        return Draft.of(found)

    def _reader(self, request: HttpRequest, draft: Draft) -> Reader:
        term = _asked(request).get("reader", "").strip()
        may_see = request.user.has_perm(VIEW_CLIENTS)
        return drafts.find_reader(term=term, topic=draft.topic, may_see_clients=may_see)

    def _checks(self, draft: Draft, reader: Reader) -> dict[str, Any]:
        return {"draft": draft, "reader": reader, "sms": drafts.sms_length(draft=draft, reader=reader)}

    def _in_frame(self, request: HttpRequest, page: str, **context: Any) -> HttpResponse:
        asked = request.POST if request.method == "POST" else request.GET
        theme = asked.get("theme") if asked.get("theme") in THEMES else "auto"
        template = f"admin/notifier/notification/{page}.html"
        return TemplateResponse(
            request, template, context | {"theme": theme}, headers={"X-Frame-Options": "SAMEORIGIN"}
        )

    # --- A test to oneself ---
    @method_decorator(csp(email_preview.POLICY))
    def test_view(self, request: HtmxHttpRequest, name: str) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        if name not in Channel.values:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        ok, words = self._test(request, Channel(name))
        if request.htmx:
            return TemplateResponse(request, "admin/notifier/notification/tested.html", {"ok": ok, "words": words})
        return self._in_frame(request, "tested_page", ok=ok, words=words)

    def _test(self, request: HttpRequest, channel: Channel) -> tuple[bool, str]:
        """Whether the provider took it, and in words what happened and what to do next."""
        user, draft = cast(User, request.user), Draft.read(request.POST.dict())
        address = _own_address(user, channel)
        if reason := self._why_no_test(request, draft, channel, address):
            return False, format_html("Nothing was sent: {}", reason)
        number = _number(request.POST.get("notification", ""))
        try:
            test_sends.book(notification_id=number, subject=draft.subject, channel=channel, by=user, now=clock.now())
        except test_sends.TooMany:
            return False, f"Nothing was sent: {test_sends.MAX_A_MINUTE} tests a minute are the most. Wait a moment."
        reader = self._reader(request, draft)
        wrong = test_sends.send(
            message=_test_message(channel, address, drafts.show(draft=draft, reader=reader)), channel=channel
        )
        if wrong:
            return False, f"The test {channel.in_words} to {address} did not go out: {wrong}"
        return True, f"The test {channel.in_words} is on its way to {address}, as {reader.name} would read it."

    def _why_no_test(self, request: HttpRequest, draft: Draft, channel: Channel, address: str) -> str:
        form = self.get_form(request)(request.POST, instance=Notification())
        if not form.is_valid():
            said = " ".join(str(message) for messages in form.errors.values() for message in messages)
            return f"this can’t be saved as it stands. {said}"
        if not (draft.email_body if channel == Channel.EMAIL else draft.sms_body):
            return f"there is no {channel.in_words} text yet."
        return "" if address else _no_address(channel)

    # --- A copy, and what it was before ---
    def duplicate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        notification = self.get_object(request, unquote(object_id))
        if not self.has_add_permission(request) or not self.has_view_permission(request, notification):
            raise PermissionDenied
        if notification is None:
            raise Http404
        copy = notifications.duplicate(notification=notification)
        messages.success(request, "This is the copy, sent to nobody yet. Change what differs, and save.")
        return redirect("admin:notifier_notification_change", copy.pk)

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        return not self.has_change_permission(request, obj)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # The library saves for whoever may look.
        if request.method == "POST" and self.revert_disabled(request):
            raise PermissionDenied
        page: HttpResponse = super().history_form_view(request, object_id, version_id, extra_context)
        return page


def _asked(request: HttpRequest) -> QueryDict:
    return request.POST if request.method == "POST" else request.GET


def _test_message(channel: Channel, address: str, shown: drafts.Shown) -> test_sends.TestMessage:
    if channel == Channel.SMS:
        return test_sends.TestMessage(address=address, subject="", body=shown.sms)
    return test_sends.TestMessage(
        address=address,
        subject=f"[Test] {shown.subject}",
        body=shown.text,
        html=shown.html,
        link_token=shown.link_token,
        list_id=shown.list_id,
    )


def _own_address(user: User, channel: Channel) -> str:
    if channel == Channel.EMAIL:
        return user.email
    return str(Profile.objects.filter(user=user).values_list("phone", flat=True).first() or "")


def _no_address(channel: Channel) -> SafeString:
    # In a page of its own: what is being written is not saved yet.
    return format_html(
        'your account has no {}. Add it under <a href="{}" target="_blank" rel="noopener">Your account</a>.',
        NO_ADDRESS[channel],
        reverse("admin:account"),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None
