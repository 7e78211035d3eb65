"""Sends a test of a notification to whoever writes or sends it, and to colleagues."""

from typing import cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from notifier.addresses import phones
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.notifications import draft_pages, drafts
from notifier.admin.notifications.drafts import Draft
from notifier.consent import suppressions
from notifier.messages.outgoing import Outgoing
from notifier.models import Channel, Notification
from notifier.notifications import test_sends
from notifier.runtime import clock
from notifier.staff import groups
from notifier.web.htmx import HtmxHttpRequest
from notifier.wording import numbers

#: Colleagues that the page names.
MAX_NAMED = 50


def may_test(model_admin: BackOfficeAdmin, request: HttpRequest, *, is_saved: bool) -> bool:
    """Who writes tests what they write; who only sends, what is saved."""
    sends = is_saved and request.user.has_perm(groups.SEND_BROADCAST) and model_admin.has_view_permission(request)
    return sends or model_admin.has_change_permission(request)


def colleagues(request: HttpRequest) -> list[User]:
    """Whom the page offers besides the reader."""
    return list(test_sends.recipients().exclude(pk=cast(User, request.user).pk)[:MAX_NAMED])


def send_test_page(model_admin: BackOfficeAdmin, request: HtmxHttpRequest, name: str) -> HttpResponse:
    """Sends a message on the channel of this name to each of those who were ticked, and says what came of it."""
    number = numbers.read_id(request.POST.get("notification", ""))
    is_post = request.method == "POST"
    if not may_test(model_admin, request, is_saved=number is not None or not is_post):
        raise PermissionDenied
    if name not in Channel.values:
        raise Http404
    if not is_post:
        return HttpResponseNotAllowed(["POST"])
    ok, words = _send(model_admin, request, Channel(name), number)
    if request.htmx:
        return TemplateResponse(request, "admin/notifier/notification/tested.html", {"ok": ok, "words": words})
    return draft_pages.in_frame(request, "tested_page", ok=ok, words=words)


def _send(model_admin: BackOfficeAdmin, request: HttpRequest, channel: Channel, number: int | None) -> tuple[bool, str]:
    """Whether the provider took all of it, and in words what happened and what to do next."""
    by, draft, to = cast(User, request.user), _draft(model_admin, request, number), _chosen(request)
    reason = _why_no_test(model_admin, request, draft, channel)
    if reason := reason or next(filter(None, (_why_not_to(user, by, channel) for user in to)), ""):
        return False, format_html("Nothing was sent: {}", reason)
    try:
        test_sends.book(notification_id=number, subject=draft.subject, channel=channel, by=by, now=clock.now(), to=to)
    except test_sends.TooMany:
        return (
            False,
            gettext("Nothing was sent: you can send up to %(max_a_minute)s tests per minute. Please wait a moment.")
            % {"max_a_minute": test_sends.MAX_A_MINUTE},
        )
    reader = draft_pages.reader_of(request, draft)
    shown = drafts.show(draft=draft, reader=reader)
    wrong = {user: _send_to(user, channel, shown) for user in to}
    if failed := [
        f"The test {channel.in_words} to {_called(user, by, channel)} was not sent: {words}"
        for user, words in wrong.items()
        if words
    ]:
        return False, " ".join(failed)
    names = " and ".join(_called(user, by, channel) for user in to)
    return True, gettext("The test %(in_words)s is on its way to %(names)s, as %(reader_name)s would read it.") % {
        "in_words": channel.in_words,
        "names": names,
        "reader_name": reader.name,
    }


def _send_to(user: User, channel: Channel, shown: drafts.Shown) -> str:
    message = _test_message(channel, test_sends.address_of(user=user, channel=channel), shown)
    return test_sends.send(message=message, channel=channel)


def _draft(model_admin: BackOfficeAdmin, request: HttpRequest, number: int | None) -> Draft:
    """What was posted, of whoever may write it; for others the notification as it is saved."""
    if model_admin.has_change_permission(request):
        return Draft.read(request.POST.dict())
    saved = model_admin.get_object(request, str(number))
    if saved is None:
        raise Http404
    return Draft.of(saved)


def _chosen(request: HttpRequest) -> list[User]:
    """Who was ticked and may get a test; whoever asks, where nobody was."""
    by = cast(User, request.user)
    ids = [numbers.read_id(text) for text in request.POST.getlist("test_to")[: test_sends.MAX_A_MINUTE + 1]]
    found = test_sends.recipients().filter(pk__in=[pk for pk in ids if pk is not None and pk != by.pk])
    return [by, *found] if by.pk in ids or not found else list(found)


def _called(user: User, by: User, channel: Channel) -> str:
    """Oneself by the address; a colleague by name, because seeing their address takes a permission of its own."""
    if user == by:
        return phones.spaced(test_sends.address_of(user=user, channel=channel))
    return user.get_full_name() or user.get_username()


def _why_no_test(model_admin: BackOfficeAdmin, request: HttpRequest, draft: Draft, channel: Channel) -> str:
    """What stands in the way, whoever gets it, in a sentence; empty where nothing does."""
    if model_admin.has_change_permission(request):
        form = model_admin.get_form(request)(request.POST, instance=Notification())
        if not form.is_valid():
            said = " ".join(str(message) for messages in form.errors.values() for message in messages)
            return f"this can’t be saved yet. {said}"
    return "" if getattr(draft, channel.body_field) else f"there is no {channel.in_words} text yet."


def _why_not_to(user: User, by: User, channel: Channel) -> str:
    address = test_sends.address_of(user=user, channel=channel)
    is_suppressed = bool(address) and suppressions.is_suppressed(channel=channel, address=address)
    if user == by:
        return _no_address(channel) if not address else _suppressed(channel, address) if is_suppressed else ""
    name = _called(user, by, channel)
    if not address:
        return f"{name} has no {channel.address_in_words}."
    return (
        gettext("%(name)s’s %(address_in_words)s is suppressed, so tests can’t be sent to it.")
        % {"name": name, "address_in_words": channel.address_in_words}
        if is_suppressed
        else ""
    )


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


def _suppressed(channel: Channel, address: str) -> SafeString:
    return format_html(
        "{} is suppressed, so tests can’t be sent to it either. Set another {} under "
        '<a href="{}" target="_blank" rel="noopener">Your account</a>.',
        phones.spaced(address),
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
