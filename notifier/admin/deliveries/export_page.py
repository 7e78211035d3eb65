"""The file with a broadcast's deliveries, as their list is filtered."""

from typing import cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext

from notifier.admin.deliveries import export, results
from notifier.admin.lists import downloads, selection
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import Selection
from notifier.staff import groups


def export_page(model_admin: BackOfficeAdmin, request: HttpRequest, kind: str) -> HttpResponseBase:
    """What the list of a broadcast's deliveries finds, as a file of this kind; back to the list where it can't be."""
    if not (model_admin.has_view_permission(request) and request.user.has_perm(groups.EXPORT_DELIVERY)):
        raise PermissionDenied
    if kind not in downloads.KINDS:
        raise Http404
    broadcast = results.owner(request)
    if broadcast is None:
        text = gettext("Choose a broadcast first to export its messages.")
        model_admin.message_user(request, text, messages.WARNING)
        return redirect(model_admin.page_url("changelist"))
    rows = model_admin.selected_rows(request, Selection(None, request.GET.urlencode()))
    if rows is None:
        text = gettext("Nothing was exported: the list has no such filter, or the search matches too much.")
        model_admin.message_user(request, text, messages.WARNING)
        return redirect(results.list_of(broadcast, **({"q": term} if (term := request.GET.get("q")) else {})))
    if export.is_too_long(kind, rows.found):
        text = gettext("More than %(max_xlsx)s rows are too many for XLSX. Choose CSV, or filter the list first.") % {
            "max_xlsx": f"{export.MAX_XLSX:,}"
        }
        model_admin.message_user(request, text, messages.WARNING)
        return redirect(f"{model_admin.page_url('changelist')}?{request.GET.urlencode()}")
    who = cast(int, request.user.pk)
    narrowed = selection.in_words(request.GET, but=results.OWNER)
    return export.response(kind=kind, broadcast=broadcast, deliveries=rows.found, user_id=who, narrowed=narrowed)
