"""The page that explains why a client did or did not get a broadcast."""

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.explanations import explanation
from notifier.models import Broadcast
from notifier.runtime import clock
from notifier.staff import groups
from notifier.wording import numbers

#: Broadcasts to choose from.
MAX_OFFERED = 20


def explanation_page(model_admin: BackOfficeAdmin, request: HttpRequest, client_id: int) -> HttpResponse:
    if not (model_admin.has_view_permission(request) and request.user.has_perm(groups.VIEW_DELIVERY)):
        raise PermissionDenied
    client = model_admin.get_object(request, str(client_id))
    if client is None:
        raise Http404
    broadcast = _chosen_broadcast(request.GET.get("broadcast", ""))
    term = request.GET.get("q", "").strip()
    page = {
        "title": gettext("Why did %(client)s get it, or not?") % {"client": client},
        "client": client,
        "broadcast": broadcast,
        "membership": explanation.audience(client=client, broadcast=broadcast) if broadcast else None,
        "explanations": explanation.explain(client=client, broadcast=broadcast, now=clock.now()) if broadcast else [],
        "term": term,
        "offered": list(_found_broadcasts(term)[:MAX_OFFERED]),
    }
    return TemplateResponse(request, "admin/notifier/client/explanation.html", model_admin.page_context(request, page))


def _chosen_broadcast(number: str) -> Broadcast | None:
    """None where none was chosen; 404 where there is none of this number."""
    if not number:
        return None
    broadcast_id = numbers.read_id(number)
    if broadcast_id is None:
        raise Http404
    return get_object_or_404(Broadcast.objects.select_related("topic", "created_by"), pk=broadcast_id)


def _found_broadcasts(term: str) -> QuerySet[Broadcast]:
    """The newest first; with a term, those of this number or with these words in the subject."""
    newest = Broadcast.objects.order_by("-pk").defer("email_body", "sms_body", "variants", "tally")
    broadcast_id = numbers.read_id(term.removeprefix("#"))
    if broadcast_id is not None:
        return newest.filter(Q(pk=broadcast_id) | Q(subject__icontains=term))
    return newest.filter(*(Q(subject__icontains=word) for word in term.split()))
