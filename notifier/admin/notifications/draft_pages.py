"""The preview and the checks while a notification is written, and the choice of the client it is previewed for."""

from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.template.response import TemplateResponse

from notifier.admin.broadcasts import email_preview
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.notifications import drafts
from notifier.admin.notifications.drafts import Draft, Reader
from notifier.languages import offered
from notifier.messages.email import GMAIL_SHOWS
from notifier.models import Channel
from notifier.staff import groups
from notifier.web.htmx import HtmxHttpRequest

#: As every frame with an e-mail has it. It keeps our origin, so that the page around it can scroll it to where it was:
#: no script may run in it that could act as ours.
POLICY = email_preview.POLICY

#: Which language the preview is in.
LANGUAGE = "shown_language"
THEMES = ("light", "dark")
#: What a draft is looked at on, by the name that the page posts.
SCREENS = {"desktop": "Desktop", "phone": "Phone", "text": "Plain text", "sms": "SMS"}


def preview_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """A page for a frame: the draft that was posted, or a notification as it was saved, as a client sees it."""
    draft = draft_of(model_admin, request)
    reader = reader_of(request, draft)
    return in_frame(
        request,
        "preview",
        reader=reader,
        shown=drafts.show(draft=draft, reader=reader),
        screens=_screens(request),
        # Where the preview follows the typing, the page around it shows the checks.
        checks=None if _asked(request).get("live") else checks(draft, reader),
    )


def check_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """How long the draft's SMS is and what is wrong with it: a piece of the form's page."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    draft = draft_of(model_admin, request)
    context = {"checks": checks(draft, reader_of(request, draft))}
    return TemplateResponse(request, "admin/notifier/notification/checks/live.html", context)


def readers_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """The clients that what is being typed finds, as choices."""
    if not request.user.has_perm(groups.VIEW_CLIENT):
        raise PermissionDenied
    term = request.GET.get("reader", "")
    context = {"found": drafts.clients_found(term), "term": term}
    return TemplateResponse(request, "admin/notifier/notification/readers.html", context)


def draft_of(model_admin: BackOfficeAdmin, request: HttpRequest) -> Draft:
    """What was posted, or the notification that the URL names; raises PermissionDenied or Http404."""
    may_write = model_admin.has_change_permission(request) or model_admin.has_add_permission(request)
    if request.method == "POST":
        if not may_write:
            raise PermissionDenied
        return Draft.read(request.POST.dict())
    if not (model_admin.has_view_permission(request) or may_write):
        raise PermissionDenied
    asked = request.GET.get("notification", "")
    if not asked:
        return drafts.EMPTY
    found = model_admin.get_object(request, asked)
    if found is None:
        raise Http404
    return Draft.of(found)


def _screens(request: HttpRequest) -> tuple[str, ...]:
    """The one that the page asks for; all of them where it asks for none, as without script."""
    chosen = _asked(request).get("screen", "")
    return (chosen,) if chosen in SCREENS else tuple(SCREENS)


def reader_of(request: HttpRequest, draft: Draft) -> Reader:
    """The client whom the page looks for, for those who may see clients."""
    term = _asked(request).get("reader", "").strip()
    may_see = request.user.has_perm(groups.VIEW_CLIENT)
    reader = drafts.find_reader(term=term, draft=draft, may_see_clients=may_see)
    # A client who was looked for reads in their own language, unless another is asked for.
    own = offered.of(reader.client.language) if term and reader.client else offered.default()
    return drafts.in_language(reader, draft, asked_language(request) or own)


def asked_language(request: HttpRequest) -> str | None:
    """The one that was chosen above the preview; None where there is nothing to choose, or none was."""
    asked = _asked(request).get(LANGUAGE, "")
    return asked if asked in offered.codes() else None


def checks(draft: Draft, reader: Reader) -> dict[str, Any]:
    """What `checks.html` shows."""
    language = offered.of(reader.language)
    return {
        "draft": draft,
        "reader": reader,
        "lacks": drafts.lacks(draft=draft, reader=reader),
        # Nothing for the default one.
        "language": offered.name(language) if language != offered.default() else "",
        "sms_text": draft.chosen(Channel.SMS, reader.language).texts.sms_body,
        "sms": drafts.sms_length(draft=draft, reader=reader),
        "email": drafts.email_size(draft=draft, reader=reader),
        "gmail_shows": GMAIL_SHOWS // 1000,
    }


def part_or_page(request: HttpRequest, name: str) -> str:
    """The template of a piece of the form's page, for htmx, or else of a page for the frame."""
    return name if cast(HtmxHttpRequest, request).htmx else f"{name}_page"


def in_frame(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    """A page that only our own pages may frame, in the theme that they ask for."""
    asked = _asked(request)
    theme = asked.get("theme") if asked.get("theme") in THEMES else "auto"
    return TemplateResponse(
        request,
        f"admin/notifier/notification/{template}.html",
        context | {"theme": theme},
        headers={"X-Frame-Options": "SAMEORIGIN"},
    )


def _asked(request: HttpRequest) -> QueryDict:
    return request.POST if request.method == "POST" else request.GET
