"""Unsaved changes of whoever writes: kept while they type, and offered again when they come back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.notifications import forms as forms_of_notifications
from notifier.admin.notifications.drafts import Draft
from notifier.forms import stale_forms
from notifier.messages import variants
from notifier.models import Notification, UnsavedText
from notifier.notifications import unsaved_texts
from notifier.runtime import clock
from notifier.wording import numbers

#: The parameter of the form's URL that puts them back into it.
PARAMETER, RESTORE = "unsaved", "restore"
#: Posted by a form in which whatever was kept stands. Where it was only offered beside the form, a save leaves it.
KEEPS = "keeps"
_FORM_FIELDS = ("topic", *Notification.TEXTS)


@dataclass(frozen=True, slots=True)
class UnsavedOffer:
    """What the form's page says of them."""

    kept: UnsavedText
    #: Whether they stand in the form already.
    is_restored: bool
    #: Whether somebody has saved the notification in the meantime.
    is_outdated: bool


def offer(request: HttpRequest, notification: Notification | None) -> UnsavedOffer | None:
    """None where there is nothing that the notification doesn't say already."""
    kept = None if KEEPS in request.POST else _find(request, notification)
    if kept is None:
        return None
    is_outdated = notification is not None and notification.updated_at > kept.kept_at
    return UnsavedOffer(kept, request.method == "GET" and _asks_for_them(request), is_outdated)


def in_form(form: type[forms.ModelForm], request: HttpRequest, notification: Notification | None) -> Any:
    """The form with the unsaved changes in it, where the URL asks for them."""
    kept = _find(request, notification) if request.method == "GET" and _asks_for_them(request) else None
    if kept is None:
        return form
    values = _values(kept)
    if notification is not None and kept.seen:
        # What the page showed then: whatever others have saved since is compared with it.
        values[stale_forms.FIELD] = kept.seen

    class Restored(form):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.initial.update(values)

    return Restored


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
    said = _keep(cast(User, request.user), notification, request.POST.dict())
    return TemplateResponse(request, "admin/notifier/notification/form/kept.html", said)


def discard_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notification = _posted(model_admin, request)
    _drop(request, notification)
    messages.success(request, gettext("Your unsaved changes have been discarded."))
    return redirect(model_admin.page_url(*(("change", notification.pk) if notification else ("add",))))


def saved(request: HttpRequest, notification: Notification | None) -> None:
    """Drops what the form that was saved held; what it only offered is offered again."""
    if KEEPS in request.POST:
        _drop(request, notification)


def _drop(request: HttpRequest, notification: Notification | None) -> None:
    pk = notification.pk if notification else None
    unsaved_texts.drop(user=cast(User, request.user), notification_id=pk)


def _keep(user: User, notification: Notification | None, posted: Mapping[str, str]) -> dict[str, Any]:
    """What the page says then."""
    now = clock.now()
    pk = notification.pk if notification else None
    if _is_saved(notification, posted):
        unsaved_texts.drop(user=user, notification_id=pk)
        return {}
    try:
        unsaved_texts.keep(
            user=user,
            notification_id=pk,
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
    return {"kept_at": now}


def _is_saved(notification: Notification | None, posted: Mapping[str, str]) -> bool:
    """Whether the texts say what is saved, or nothing at all."""
    draft = Draft.read(posted)
    if notification is None:
        return not draft.variants and not any(getattr(draft, name) for name in Notification.TEXTS)
    return draft == Draft.of(notification)


def _find(request: HttpRequest, notification: Notification | None) -> UnsavedText | None:
    pk = notification.pk if notification else None
    kept = unsaved_texts.find(user=cast(User, request.user), notification_id=pk, now=clock.now())
    if kept is None or (notification is not None and draft_of(kept) == Draft.of(notification)):
        return None
    return kept


def _asks_for_them(request: HttpRequest) -> bool:
    return request.GET.get(PARAMETER) == RESTORE


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
