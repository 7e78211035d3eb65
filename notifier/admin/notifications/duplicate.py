"""A copy of a notification, to write the next one from."""

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils.translation import gettext

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.notifications import duplicates


def duplicate_page(model_admin: BackOfficeAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """Makes the copy, and leads to its form."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notification = model_admin.get_object(request, unquote(object_id))
    if not model_admin.has_add_permission(request) or not model_admin.has_view_permission(request, notification):
        raise PermissionDenied
    if notification is None:
        raise Http404
    copy = duplicates.duplicate(notification=notification)
    messages.success(request, gettext("This is the copy. It has not been sent to anyone. Make your changes and save."))
    return redirect("admin:notifier_notification_change", copy.pk)
