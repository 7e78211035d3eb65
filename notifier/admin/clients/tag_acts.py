"""Giving tags to the clients of a list, or taking them away: the page asks which, then counts, then does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.clients.acts import ActPreview
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import Rows, Selection
from notifier.clients import archiving
from notifier.fields import tags
from notifier.fields.applying import ChangeOrigin, FieldGone
from notifier.models import Client, ClientTag, Tag
from notifier.runtime import clock, versions
from notifier.staff import groups
from notifier.values.texts import folded
from notifier.wording import numbers

#: Of the URL: the ids of tags, and the names of new ones.
TAG, NEW = "tag", "new"
OTHERS = _("Nothing was done: these clients have changed since you opened the page. The page below is up to date.")


@dataclass(frozen=True, slots=True)
class TagAct:
    #: In URLs.
    name: str
    label: str
    #: With "VIP and Berlin" and "12 clients".
    question: str
    button: str
    becomes: str
    done: str
    #: Of those who have them, or have none of them.
    unchanged: str
    is_on: bool


ACTS = {
    act.name: act
    for act in (
        TagAct(
            "add",
            "Add tags",
            "Add {tags} to {clients}?",
            "Add to {clients}",
            "tagged",
            "{clients} tagged: {tags}.",
            "tagged already",
            is_on=True,
        ),
        TagAct(
            "remove",
            "Remove tags",
            "Remove {tags} from {clients}?",
            "Remove from {clients}",
            "untagged",
            "{tags} removed from {clients}.",
            "not tagged so",
            is_on=False,
        ),
    )
}


# --- Actions of the list ----------------------------------------------------------------------------------------------
@admin.action(description=_("Add tags…"), permissions=["change"])
def add_to_selected(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
    return _to_page(model_admin, request, queryset, "add")


@admin.action(description=_("Remove tags…"), permissions=["change"])
def remove_from_selected(
    model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client]
) -> HttpResponse:
    return _to_page(model_admin, request, queryset, "remove")


def _to_page(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client], name: str) -> HttpResponse:
    return redirect(f"{model_admin.page_url('tag', name)}?{Selection.of_action(request, queryset).query()}")


# --- The page ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ChosenTags:
    """Tags that somebody chose; those of `new` there are not yet."""

    tags: Sequence[Tag]
    new: Sequence[str]
    #: What can't be, in a sentence.
    mistake: str = ""

    @property
    def is_any(self) -> bool:
        return bool(self.tags or self.new) and not self.mistake

    @property
    def in_words(self) -> str:
        names = [f"“{name}”" for name in (*(tag.name for tag in self.tags), *self.new)]
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def tag_page(model_admin: BackOfficeAdmin, request: HttpRequest, name: str) -> HttpResponse:
    """GET asks for tags, and then whether it shall be; POST does it."""
    act = ACTS.get(name)
    if act is None:
        raise Http404
    if not (model_admin.has_view_permission(request) and request.user.has_perm(groups.CHANGE_CLIENT)):
        raise PermissionDenied
    selected = Selection.read(request.GET)
    rows = model_admin.selected_rows(request, selected) if selected else None
    if selected is None or rows is None:
        return model_admin.ask_to_choose(request)
    chosen, note = _chosen(request, act), ""
    if request.method == "POST" and chosen.is_any:
        if (number := _carry_out(request, act, chosen, rows)) is not None:
            words = act.done.format(tags=chosen.in_words, clients=numbers.counted(number, "client"))
            model_admin.report(request, number, words[:1].upper() + words[1:])
            return redirect(model_admin.back_url(selected))
        note = str(OTHERS)
    context = {
        "act": act,
        "back": model_admin.back_url(selected),
        "chosen": chosen,
        "may_add": act.is_on and request.user.has_perm(groups.ADD_TAG),
        "offered": [(tag, tag in chosen.tags) for tag in Tag.objects.order_by("folded")],
        "form": None,
        "again": f"{request.path}?{selected.query()}",
        "kept": [(key, value) for key in ("ids", "list") if (value := request.GET.get(key)) is not None],
        "typed": request.GET.get(NEW, ""),
        "chosen_number": None if selected.ids is None else len(selected.ids),
        "note": note or chosen.mistake,
    }
    page = context | _asking(request, act, chosen, rows)
    return TemplateResponse(request, "admin/notifier/client/tags.html", model_admin.page_context(request, page))


def _chosen(request: HttpRequest, act: TagAct) -> ChosenTags:
    ids = [numbers.read_id(one) for one in request.GET.getlist(TAG)]
    found = list(Tag.objects.filter(pk__in=[one for one in ids if one is not None]).order_by("folded"))
    typed = [name for part in request.GET.get(NEW, "").split(";") for name in part.split(",")]
    names = {folded(name): name.strip() for name in typed if name.strip()}
    there, unknown = tags.named(names.values())
    found += [tag for tag in there if tag not in found]
    if not unknown or not act.is_on:
        mistake = gettext("There is no tag “%(unknown)s”.") % {"unknown": unknown[0]} if unknown else ""
        return ChosenTags(found, [], mistake or _too_many(found))
    if not request.user.has_perm(groups.ADD_TAG):
        return ChosenTags(
            found, [], gettext("There is no tag “%(unknown)s”, and you may not add tags.") % {"unknown": unknown[0]}
        )
    try:
        for name in unknown:
            tags.check_name(name)
    except ValidationError as error:
        return ChosenTags(found, [], " ".join(error.messages))
    return ChosenTags(found, unknown, _too_many([*found, *unknown]))


def _too_many(chosen: Sequence[object]) -> str:
    return (
        gettext("Choose up to %(max_of_client)s tags.") % {"max_of_client": tags.MAX_OF_CLIENT}
        if len(chosen) > tags.MAX_OF_CLIENT
        else ""
    )


def _asking(request: HttpRequest, act: TagAct, chosen: ChosenTags, rows: Rows) -> dict[str, Any]:
    """The second half of the page, where tags are chosen: how many clients it would change."""
    if not chosen.is_any:
        return {"title": act.label, "is_asking": False, "counting": ""}
    if later := deferred_counts.counted_url(request, is_long=rows.is_long):
        return {
            "title": act.question.format(tags=chosen.in_words, clients="these clients"),
            "is_asking": True,
            "counting": later,
        }
    found, full = targets(act, chosen, rows.found)
    number, full_number = found.order_by().count(), full.order_by().count() if full is not None else 0
    every = rows.found.order_by().count()
    many = numbers.counted(number, "client")
    left = [
        (every - number - full_number, f"{act.unchanged}, or erased"),
        (full_number, f"they would have more than {tags.MAX_OF_CLIENT} tags"),
    ]
    question = act.question.format(tags=chosen.in_words, clients=many)
    return {
        "title": question if number else gettext("%(act_label)s: nothing to do") % {"act_label": act.label},
        "is_asking": True,
        "counting": "",
        "preview": ActPreview(number, [(count, why) for count, why in left if count], []),
        "button": act.button.format(clients=many),
        "seen": _version(act, found),
    }


def _version(act: TagAct, found: QuerySet[Client]) -> str:
    return versions.digest([act.name, versions.digest_of_ids(archiving.ids_of(found))])


def targets(
    act: TagAct, chosen: ChosenTags, clients: QuerySet[Client]
) -> tuple[QuerySet[Client], QuerySet[Client] | None]:
    """Those whom the act would change; and those who have too many tags for it, where there may be any."""
    clients = clients.filter(erased_at=None)
    has: Callable[[Tag], Q] = lambda tag: Q(pk__in=ClientTag.objects.filter(tag=tag).values("client_id"))  # noqa: E731
    if not act.is_on:
        return clients.filter(reduce(or_, [has(tag) for tag in chosen.tags])), None
    lacks_any = Q() if chosen.new else reduce(or_, [~has(tag) for tag in chosen.tags])
    lacking = clients.filter(lacks_any)
    others = ClientTag.objects.exclude(tag__in=[tag.pk for tag in chosen.tags])
    room = tags.MAX_OF_CLIENT - len(chosen.tags) - len(chosen.new)
    crowded = others.values("client_id").annotate(number=Count("tag_id")).filter(number__gt=room)
    full = list(crowded.values_list("client_id", flat=True)[: MAX_FULL + 1])
    if not full:
        return lacking, None
    return lacking.exclude(pk__in=full), lacking.filter(pk__in=full)


#: Clients with so many tags that no more can be added; there are hardly ever any.
MAX_FULL = 1_000


def _carry_out(request: HttpRequest, act: TagAct, chosen: ChosenTags, rows: Rows) -> int | None:
    """How many clients changed; None where these are no longer those that the page showed."""
    found, _ = targets(act, chosen, rows.found)
    ids = archiving.ids_of(found)
    if request.POST.get("seen") != versions.digest([act.name, versions.digest_of_ids(ids)]):
        return None
    by, now = cast(User, request.user), clock.now()
    try:
        with transaction.atomic():
            added = [tags.add(name) for name in chosen.new]
        given = dict.fromkeys([*chosen.tags, *added], act.is_on)
        return tags.set_for_many(client_ids=ids, tags=given, origin=ChangeOrigin(by=by), now=now)
    except (FieldGone, ValidationError):
        # Somebody has deleted one of the tags, or added the new one, since.
        return None
