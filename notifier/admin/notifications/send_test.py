"""Sends a test of the draft to the member of staff who is writing it."""

from typing import cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.notifications import draft_pages, drafts
from notifier.admin.notifications.drafts import Draft
from notifier.broadcasts import test_sends
from notifier.consent import suppressions
from notifier.messages.outgoing import Outgoing
from notifier.models import Channel, Notification, Profile
from notifier.runtime import clock
from notifier.web.htmx import HtmxHttpRequest
from notifier.wording import numbers


def send_test_page(model_admin: BackOfficeAdmin, request: HtmxHttpRequest, name: str) -> HttpResponse:
    """Sends one message on the channel of this name, and says what came of it."""
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    if name not in Channel.values:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    ok, words = _send(model_admin, request, Channel(name))
    if request.htmx:
        return TemplateResponse(request, "admin/notifier/notification/tested.html", {"ok": ok, "words": words})
    return draft_pages.in_frame(request, "tested_page", ok=ok, words=words)


def _send(model_admin: BackOfficeAdmin, request: HttpRequest, channel: Channel) -> tuple[bool, str]:
    """Whether the provider took it, and in words what happened and what to do next."""
    user, draft = cast(User, request.user), Draft.read(request.POST.dict())
    address = _own_address(user, channel)
    if reason := _why_no_test(model_admin, request, draft, channel, address):
        return False, format_html("Nothing was sent: {}", reason)
    number = numbers.read_id(request.POST.get("notification", ""))
    try:
        test_sends.book(notification_id=number, subject=draft.subject, channel=channel, by=user, now=clock.now())
    except test_sends.TooMany:
        return (
            False,
            f"Nothing was sent: you can send up to {test_sends.MAX_A_MINUTE} tests per minute. Please wait a moment.",
        )
    reader = draft_pages.reader_of(request, draft)
    message = _test_message(channel, address, drafts.show(draft=draft, reader=reader))
    if wrong := test_sends.send(message=message, channel=channel):
        return False, f"The test {channel.in_words} to {address} was not sent: {wrong}"
    return True, f"The test {channel.in_words} is on its way to {address}, as {reader.name} would read it."


def _why_no_test(
    model_admin: BackOfficeAdmin, request: HttpRequest, draft: Draft, channel: Channel, address: str
) -> str:
    """What stands in the way, in a sentence; empty where nothing does."""
    form = model_admin.get_form(request)(request.POST, instance=Notification())
    if not form.is_valid():
        said = " ".join(str(message) for messages in form.errors.values() for message in messages)
        return f"this can’t be saved yet. {said}"
    if not getattr(draft, channel.body_field):
        return f"there is no {channel.in_words} text yet."
    if not address:
        return _no_address(channel)
    return _suppressed(channel, address) if suppressions.is_suppressed(channel=channel, address=address) else ""


def _test_message(channel: Channel, address: str, shown: drafts.Shown) -> Outgoing:
    reference = test_sends.new_reference()
    if channel == Channel.SMS:
        return Outgoing(reference, address, subject="", body=shown.sms)
    return Outgoing(
        reference,
        address,
        subject=test_sends.marked(shown.subject),
        body=shown.text,
        html=shown.html,
        link_token=shown.link_token,
        list_id=shown.list_id,
    )


def _own_address(user: User, channel: Channel) -> str:
    if channel == Channel.EMAIL:
        return user.email
    return str(Profile.objects.filter(user=user).values_list("phone", flat=True).first() or "")


def _suppressed(channel: Channel, address: str) -> SafeString:
    return format_html(
        "{} is suppressed, so tests can’t be sent to it either. Set another {} under "
        '<a href="{}" target="_blank" rel="noopener">Your account</a>.',
        address,
        channel.address_in_words,
        reverse("admin:account"),
    )


def _no_address(channel: Channel) -> SafeString:
    # The link opens a page of its own, because what is being written is not saved yet.
    return format_html(
        'your account has no {}. Add it under <a href="{}" target="_blank" rel="noopener">Your account</a>.',
        channel.address_in_words,
        reverse("admin:account"),
    )
