"""Unsaved changes of whoever writes: kept while they type, and offered again when they come back."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.notifications import forms as forms_of_notifications
from notifier.admin.notifications.drafts import Draft
from notifier.forms import stale_forms
from notifier.messages import variants
from notifier.models import Notification, UnsavedText
from notifier.notifications import unsaved_texts
from notifier.notifications.unsaved_texts import Place, Restored
from notifier.runtime import clock
from notifier.wording import numbers

#: The parameters of the form's URL that put them back into it: without the second, the newest.
PARAMETER, RESTORE, OF_FORM = "unsaved", "restore", "of"
#: Posted by each form: its own name, and what was put back into it. A save leaves what is kept of any other.
KEEPS, RESTORED = "keeps", "restored"
_FORM_FIELDS = ("topic", *Notification.TEXTS)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class UnsavedOffer:
    """One of those that are kept, as the form's page shows it."""

    kept: UnsavedText
    #: Whether somebody has saved the notification in the meantime.
    is_outdated: bool

    @property
    def marker(self) -> str:
        """What the form posts of it once it stands there, or to discard it."""
        return f"{self.kept.form}/{self.kept.kept_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What the form's page says of them."""

    #: The name of this form.
    form: str
    #: What was put back into it before, as the form posted it.
    marker: str = ""
    #: What stands in it now because the URL asked for it.
    restored: UnsavedOffer | None = None
    offers: list[UnsavedOffer] = field(default_factory=list)


def of_page(request: HttpRequest, notification: Notification | None) -> Unsaved:
    if restored := _asked_for(request, notification):
        offer = _offer(restored, notification)
        return Unsaved(_new_name(), offer.marker, offer)
    name, marker = _name(request), request.POST.get(RESTORED, "")
    own = {name, marker.partition("/")[0]} if marker else {name}
    offers = [_offer(kept, notification) for kept in _find(request, notification) if kept.form not in own]
    return Unsaved(name or _new_name(), marker, offers=offers)


def _offer(kept: UnsavedText, notification: Notification | None) -> UnsavedOffer:
    return UnsavedOffer(kept, notification is not None and notification.updated_at > kept.kept_at)


def _new_name() -> str:
    return secrets.token_urlsafe(16)


def _name(request: HttpRequest) -> str | None:
    """Of the form that was posted; None for one that has none, as a new one."""
    posted = request.POST.get(KEEPS, "")
    return posted if _NAME.fullmatch(posted) else None


def in_form(form: type[forms.ModelForm], request: HttpRequest, notification: Notification | None) -> Any:
    """The form with the unsaved changes in it, where the URL asks for them."""
    kept = _asked_for(request, notification)
    if kept is None:
        return form
    values = _values(kept)
    if notification is not None and kept.seen:
        # What the page showed then: whatever others have saved since is compared with it.
        values[stale_forms.FIELD] = kept.seen

    class RestoredForm(form):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.initial.update(values)

    return RestoredForm


def draft_of(kept: UnsavedText) -> Draft:
    return Draft.read(_values(kept))


def _values(kept: UnsavedText) -> dict[str, str]:
    """By the names of the form's fields."""
    return {name: getattr(kept, name) for name in _FORM_FIELDS} | forms_of_notifications.fields_of(
        variants.read(kept.variants)
    )


def keep_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """Keeps what the form posts while it is written; a piece of the form's page says so."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notification = _posted(model_admin, request)
    said = _keep(request, notification, request.POST.dict())
    return TemplateResponse(request, "admin/notifier/notification/form/kept.html", said)


def discard_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notification = _posted(model_admin, request)
    _drop(request, notification)
    messages.success(request, "Your unsaved changes have been discarded.")
    return redirect(model_admin.page_url(*(("change", notification.pk) if notification else ("add",))))


def saved(request: HttpRequest, notification: Notification | None) -> None:
    """Drops what the form that was saved held; what other forms keep, or it only offered, is offered again."""
    _drop(request, notification)


def _place(request: HttpRequest, notification: Notification | None) -> Place:
    # A page of the release before posts no name, or none that is one; what it keeps has none either.
    return Place(cast(User, request.user), notification.pk if notification else None, _name(request) or "")


def _drop(request: HttpRequest, notification: Notification | None) -> None:
    place = _place(request, notification)
    if place.form:
        unsaved_texts.drop(place=place)
    _take_over(request, place)


def _take_over(request: HttpRequest, place: Place) -> None:
    if restored := _restored(request):
        unsaved_texts.take_over(place=place, restored=restored)


def _restored(request: HttpRequest) -> Restored | None:
    """What the form says was put back into it; None where it says nothing that can be read."""
    form, _, moment = request.POST.get(RESTORED, "").partition("/")
    try:
        kept_at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return Restored(form, kept_at) if kept_at.tzinfo and (not form or _NAME.fullmatch(form)) else None


def _keep(request: HttpRequest, notification: Notification | None, posted: Mapping[str, str]) -> dict[str, Any]:
    """What the page says then."""
    now = clock.now()
    place = _place(request, notification)
    if _is_saved(notification, posted):
        unsaved_texts.drop(place=place)
        _take_over(request, place)
        return {}
    try:
        unsaved_texts.keep(
            place=place,
            texts={name: posted.get(name, "") for name in Notification.TEXTS}
            | {
                "variants": variants.write(
                    forms_of_notifications.read_variants(posted, most=unsaved_texts.MAX_LETTERS + 1)
                )
            },
            topic=posted.get("topic", ""),
            seen=posted.get(stale_forms.FIELD, ""),
            now=now,
        )
    except unsaved_texts.TooLong as refusal:
        return {"refusal": str(refusal)}
    _take_over(request, place)
    return {"kept_at": now}


def _is_saved(notification: Notification | None, posted: Mapping[str, str]) -> bool:
    """Whether the texts say what is saved, or nothing at all."""
    draft = Draft.read(posted)
    if notification is None:
        return not draft.variants and not any(getattr(draft, name) for name in Notification.TEXTS)
    return draft == Draft.of(notification)


def _find(request: HttpRequest, notification: Notification | None) -> list[UnsavedText]:
    """Those that say something else than the notification."""
    pk = notification.pk if notification else None
    found = unsaved_texts.find(user=cast(User, request.user), notification_id=pk, now=clock.now())
    if not found or notification is None:
        return found
    # Without the topic, which would be looked up for each.
    saved = replace(Draft.of(notification), topic=None)
    topic = str(notification.topic_id)
    return [kept for kept in found if kept.topic != topic or Draft.read(_values(kept) | {"topic": ""}) != saved]


def _asked_for(request: HttpRequest, notification: Notification | None) -> UnsavedText | None:
    """That which the URL names, or else the newest."""
    if request.method != "GET" or request.GET.get(PARAMETER) != RESTORE:
        return None
    found = _find(request, notification)
    of_form = request.GET.get(OF_FORM)
    return next((kept for kept in found if of_form in (None, kept.form)), None)


def _posted(model_admin: BackOfficeAdmin, request: HttpRequest) -> Notification | None:
    """The notification that the form names, None for a new one; raises PermissionDenied or Http404."""
    text = request.POST.get("notification", "")
    if not text:
        if not model_admin.has_add_permission(request):
            raise PermissionDenied
        return None
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    pk = numbers.read_id(text)
    found = Notification.objects.filter(pk=pk).first() if pk is not None else None
    if found is None:
        raise Http404
    return found
