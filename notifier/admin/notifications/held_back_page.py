"""How many recipients quiet hours and frequency caps hold back; the confirm page loads it separately."""

from typing import cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import read_ids
from notifier.admin.notifications import audience_choice
from notifier.admin.notifications.confirm_page import MAX_AT_ONCE
from notifier.audience import held_back
from notifier.models import Notification
from notifier.policies import client_values
from notifier.runtime import clock
from notifier.saved_audiences.document import BrokenAudience
from notifier.staff import groups
from notifier.web.htmx import HtmxHttpRequest


def held_back_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """A page of its own, because it takes a while for many clients; for htmx only the part with the numbers."""
    if not request.user.has_perm(groups.SEND_BROADCAST):
        raise PermissionDenied
    ids = read_ids(request.GET.get("ids", ""), most=MAX_AT_ONCE)
    found = Notification.objects.filter(pk__in=ids).select_related("topic").order_by("pk")
    now = clock.now()
    try:
        within = audience_choice.to_whom(request, audience_choice.asked_in_url(request.GET)).within
    except BrokenAudience as broken:
        raise Http404(str(broken)) from broken
    kept = [
        (
            n,
            [
                held_back.count(topic=n.topic, channel=one, now=now, needed=client_values.needed(n, one), within=within)
                for one in n.channels
            ],
        )
        for n in found
    ]
    page = {
        "title": "Quiet hours and frequency caps",
        "kept": kept,
    }
    is_part = cast(HtmxHttpRequest, request).htmx
    name = "held_back" if is_part else "held_back_page"
    return TemplateResponse(
        request, f"admin/notifier/notification/{name}.html", model_admin.page_context(request, page)
    )
