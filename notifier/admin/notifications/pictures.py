"""The pictures that can be put into a text while it is written: a piece of the form's page."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.messages import pictures
from notifier.models import Picture
from notifier.staff import groups

#: Pictures shown at once: four rows of them.
SHOWN = 16


def pictures_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """The newest, or the newest with these words in their description."""
    may_write = model_admin.has_change_permission(request) or model_admin.has_add_permission(request)
    if not (may_write and request.user.has_perm(groups.VIEW_PICTURE)):
        raise PermissionDenied
    term = request.GET.get("term", "").strip()
    found = Picture.objects.filter(alt__icontains=term) if term else Picture.objects.all()
    newest = list(found.order_by("-created_at", "-pk")[: SHOWN + 1])
    context = {"found": newest[:SHOWN], "more": len(newest) > SHOWN, "term": term, "small": pictures.SMALL}
    return TemplateResponse(request, "admin/notifier/notification/form/pictures.html", context)
