"""What is said below the field of a client's phone number: how it is written, and that a landline gets no SMS."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.models import typed_phones
from notifier.wording.badges import badge

ID = "phone-note"
LANDLINE = _("No SMS is sent to this number.")


def below(*, is_landline: bool) -> SafeString:
    """The help text of the field. What is said of a number that is typed stands in it, too."""
    return format_html(
        '{} <span id="{}" role="status">{}</span>', typed_phones.how_to_write(), ID, _said(is_landline=is_landline)
    )


def _said(*, is_landline: bool) -> SafeString:
    return format_html("{} {}", badge(text="Landline", tone="warn"), LANDLINE) if is_landline else SafeString("")


def asks() -> dict[str, str]:
    """What the field asks with, once a number stands in it. Posted, and the number alone: no log keeps it."""
    return {
        "hx-post": reverse("admin:notifier_client_phone"),
        "hx-trigger": "change",
        "hx-params": "phone,csrfmiddlewaretoken",
        "hx-target": f"#{ID}",
    }


def phone_note(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """Whether the number that stands in the field now is a landline's. What is wrong with it is said at saving."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    try:
        found = typed_phones.read(request.POST.get("phone", ""))
    except ValueError:
        return HttpResponse("")
    return HttpResponse(_said(is_landline=found.is_landline))
