"""From the clients of a filtered list to the page that sends, or to a new audience: the filters become conditions."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext

from notifier.admin.clients import list_conditions
from notifier.admin.clients.audience_lists import CONDITIONS
from notifier.admin.clients.list_conditions import NoConditions
from notifier.admin.lists import selection
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.models import Notification
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences import words
from notifier.saved_audiences.document import BrokenAudience, Document
from notifier.staff import groups

#: Notifications to choose from: those that were changed last.
MAX_OFFERED = 200


def urls(model_admin: BackOfficeAdmin, request: HttpRequest) -> dict[str, str]:
    """Of both pages, for the list of this request; empty where it has no filter that can be a condition."""
    if not list_conditions.may_be(request.GET):
        return {}
    listed = selection.listed_query(request)
    found = {"send_url": ("send", _may_send), "save_audience_url": ("save_audience", _may_save)}
    return {
        key: f"{model_admin.page_url(page)}?{listed}" for key, (page, may) in found.items() if may(model_admin, request)
    }


def _may_send(model_admin: BackOfficeAdmin, request: HttpRequest) -> bool:
    wanted = [groups.SEND_BROADCAST, groups.USE_SAVEDAUDIENCE, groups.VIEW_NOTIFICATION]
    return model_admin.has_view_permission(request) and request.user.has_perms(wanted)


def _may_save(model_admin: BackOfficeAdmin, request: HttpRequest) -> bool:
    return model_admin.has_view_permission(request) and request.user.has_perm(groups.ADD_SAVEDAUDIENCE)


def send_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """Asks for the notification. Its URL has the query of the list. The page that it leads to counts, and sends."""
    if not _may_send(model_admin, request):
        raise PermissionDenied
    document = _conditions(model_admin, request)
    if document is None:
        return _back(model_admin, request)
    newest = Notification.objects.select_related("topic").order_by("-updated_at")[:MAX_OFFERED]
    page = {
        "title": gettext("Send to the clients of this list"),
        "conditions": documents.as_text(document),
        "text": words.of_document(document, knowing.of(document)),
        "notifications": [one for one in newest if one.channels],
        "list_query": request.GET.urlencode(),
    }
    return TemplateResponse(request, "admin/notifier/client/send.html", model_admin.page_context(request, page))


def save_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """To the page of a new audience with these conditions."""
    if not _may_save(model_admin, request):
        raise PermissionDenied
    document = _conditions(model_admin, request)
    if document is None:
        return _back(model_admin, request)
    return redirect(reverse("admin:notifier_savedaudience_add", query={CONDITIONS: documents.as_text(document)}))


def _conditions(model_admin: BackOfficeAdmin, request: HttpRequest) -> Document | None:
    """None where the filters can't be conditions, which is said."""
    try:
        return list_conditions.of_query(request, request.GET)
    except (NoConditions, BrokenAudience) as error:
        model_admin.message_user(request, str(error), messages.ERROR)
        return None


def _back(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    return redirect(f"{model_admin.page_url('changelist')}?{request.GET.urlencode()}")
