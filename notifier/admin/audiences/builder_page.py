"""The page of a saved audience: its conditions with the count of each, who is in it, and whether one client is."""

from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext

from notifier.addresses import emails
from notifier.admin.audiences import builder, subjects
from notifier.admin.audiences.builder import DraftAudience
from notifier.admin.audiences.subjects import Subject
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.paginator import MAX_COUNTED
from notifier.admin.lists.selection import CONDITIONS
from notifier.broadcasts import audience_edits
from notifier.fields import definitions
from notifier.forms import moments
from notifier.models import Broadcast, Client, SavedAudience, Tag, Topic
from notifier.runtime import clock
from notifier.runtime.versions import NotAsShown
from notifier.saved_audiences import compiling, facts, saving, words
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences.compiling import Members
from notifier.saved_audiences.document import BrokenAudience, Document, Group
from notifier.saved_audiences.facts import Answer
from notifier.saved_audiences.known import Known
from notifier.staff import groups
from notifier.wording import numbers

SAMPLES = 10


class AudienceForm(forms.ModelForm):
    class Meta:
        model = SavedAudience
        fields = ("name", "description")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        saving.check_name(name, besides=self.instance.pk)
        return name


@dataclass(frozen=True, slots=True)
class Answered:
    """One condition of *Is this client in it?*"""

    words: str
    holds: bool
    is_inside: bool = False


def page(model_admin: BackOfficeAdmin, request: HttpRequest, audience: SavedAudience | None) -> HttpResponse:
    """GET shows it; POST counts what was entered, adds or removes a condition, or saves."""
    may = model_admin.has_change_permission(request) if audience else model_admin.has_add_permission(request)
    if not may and (audience is None or request.method == "POST"):
        raise PermissionDenied
    offered = subjects.offered()
    form = AudienceForm(request.POST or None, instance=audience)
    note = ""
    if request.method == "POST":
        draft = builder.of_posted(request.POST, offered, _known(offered))
        is_save = request.POST.get("do") == "save"
        if is_save and form.is_valid():
            try:
                return _save(model_admin, request, audience, form, draft.document())
            except BrokenAudience as error:
                note = f"Nothing was saved. {error}"
            except ValidationError as error:
                note = f"Nothing was saved. {error.messages[0]}"
            except NotAsShown:
                note = gettext("Nothing was saved: this audience has changed since you opened the page. Open it anew.")
        elif not is_save:
            # Only what is entered is looked at: nothing is wrong yet with a name that is still to come.
            form = AudienceForm(instance=audience, initial={key: request.POST.get(key, "") for key in form.fields})
    else:
        draft, note = _stored(request, audience, offered)
    return _show(model_admin, request, audience, form, draft, note, offered, may=may)


def _known(offered: dict[str, Subject]) -> Known:
    """All that there is: what is entered may name any of it."""
    return Known(
        definitions=definitions.every(),
        tags=Tag.objects.in_bulk(),
        topics=Topic.objects.in_bulk(),
        broadcasts=Broadcast.objects.in_bulk(
            [int(one.value) for one in offered[documents.BROADCAST].rows], field_name="pk"
        ),
    )


def _stored(
    request: HttpRequest, audience: SavedAudience | None, offered: dict[str, Subject]
) -> tuple[DraftAudience, str]:
    """A new one begins with the conditions that the URL has, as the list of clients leads here with."""
    given = request.GET.get(CONDITIONS, "")
    if audience is None and not given:
        return builder.empty(), ""
    try:
        document = documents.parse(audience.document) if audience else documents.parse_text(given)
    except BrokenAudience as error:
        return builder.empty(), str(error)
    known = knowing.of(document)
    _offer_broadcasts(offered, known)
    return builder.of_document(document, offered, known), " ".join(knowing.problems(document, known))


def _offer_broadcasts(offered: dict[str, Subject], known: Known) -> None:
    """Those that it names, however old they are."""
    subject = offered[documents.BROADCAST]
    there = {option.value for option in subject.rows}
    more = [subjects.MenuOption(str(pk), str(one)) for pk, one in known.broadcasts.items() if str(pk) not in there]
    cast(list[subjects.MenuOption], subject.rows).extend(more)


# --- Saving -----------------------------------------------------------------------------------------------------------
def _save(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    audience: SavedAudience | None,
    form: AudienceForm,
    document: Document,
) -> HttpResponse:
    entered, by = form.cleaned_data, cast(User, request.user)
    with transaction.atomic():
        if audience is None:
            saved = saving.create(name=entered["name"], description=entered["description"], document=document, by=by)
            model_admin.log_addition(request, saved, "Added.")
            told = gettext("The audience “%(saved)s” was saved.") % {"saved": saved}
        else:
            seen = moments.read(request.POST.get("seen", ""))
            if seen is None:
                raise NotAsShown
            waiting = audience_edits.save(
                audience_id=audience.pk,
                name=entered["name"],
                description=entered["description"],
                document=document,
                by=by,
                seen=seen,
                now=clock.now(),
            )
            saved = audience
            model_admin.log_change(request, saved, "Changed its conditions or its name.")
            told = gettext("The audience “%(entered)s” was saved.") % {"entered": entered["name"]}
            if waiting:
                told += f" {numbers.counted(waiting, 'broadcast')} that had not started will go to it as it is now."
    model_admin.message_user(request, told, messages.SUCCESS)
    return redirect(model_admin.page_url("change", saved.pk))


# --- Showing ----------------------------------------------------------------------------------------------------------
def _show(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    audience: SavedAudience | None,
    form: AudienceForm,
    draft: DraftAudience,
    note: str,
    offered: dict[str, Subject],
    *,
    may: bool,
) -> HttpResponse:
    later = deferred_counts.counted_url(request, is_long=deferred_counts.is_long())
    context: dict[str, Any] = {
        "title": str(audience) if audience else gettext("Add audience"),
        "audience": audience,
        "original": audience,
        "form": form,
        "draft": draft,
        "note": note,
        "offered": offered.values(),
        "may": may,
        "may_delete": audience is not None and model_admin.has_delete_permission(request, audience),
        "counting": later,
        "seen": request.POST.get("seen") or (audience.updated_at.isoformat() if audience else ""),
        "business_zone": settings.TIME_ZONE,
        "who": _param(request, "who"),
        **_counted(request, draft, counted=not later),
    }
    if audience:
        context["list_url"] = f"{reverse('admin:notifier_client_changelist')}?audience={audience.pk}"
    name = "admin/notifier/savedaudience/builder.html"
    return TemplateResponse(request, name, model_admin.page_context(request, context))


def _param(request: HttpRequest, name: str) -> str:
    return str(request.POST.get(name) or request.GET.get(name, ""))[:254]


def _counted(request: HttpRequest, draft: DraftAudience, *, counted: bool) -> dict[str, Any]:
    """The counts of the lines that can be read; of the whole, its number and some of its clients, if all can."""
    now = clock.now()
    lines = [one for one in draft.lines() if one.line]
    if counted and lines:
        every = Document(tuple(one.line for one in lines if one.line))
        members = Members(every, knowing.of(every), now)
        for one in lines:
            one.count = _bounded(members, one.line)
    try:
        document = draft.document()
        within = compiling.members(document, now=now)
    except BrokenAudience as error:
        return {"problem": str(error) if lines else ""}
    found: dict[str, Any] = {
        "text": words.of_document(document, within.known),
        "retired": knowing.retired(document, within.known),
        **_asked(request, within),
    }
    if counted:
        found["number"] = within.clients().count()
        if request.user.has_perm(groups.VIEW_CLIENT):
            found["samples"] = list(within.clients().order_by("pk")[:SAMPLES])
    return found


def _bounded(members: Members, line: Any) -> str:
    number = Client.objects.active().filter(members.line(line))[: MAX_COUNTED + 1].count()
    return f"more than {MAX_COUNTED:,}" if number > MAX_COUNTED else f"{number:,}"


# --- Is this client in it? --------------------------------------------------------------------------------------------
def _asked(request: HttpRequest, within: Members) -> dict[str, Any]:
    who = _param(request, "who").strip()
    if not who or not request.user.has_perm(groups.VIEW_CLIENT):
        return {}
    client = _find(who)
    if client is None:
        return {"not_found": gettext("There is no client with this number or e-mail address.")}
    known = within.known
    read = facts.of_client(client, within.document, known)
    answers = facts.answers(within.document, read, known, within.now)
    return {
        "asked": client,
        "is_in": client.is_active and facts.is_member(within.document, read, known, within.now),
        "answers": [row for answer in answers for row in _rows(answer, known)],
    }


def _find(who: str) -> Client | None:
    if pk := numbers.read_id(who.removeprefix("#")):
        return Client.objects.filter(pk=pk).first()
    return Client.objects.filter(email=emails.canonical(who)).first() if "@" in who else None


def _rows(answer: Answer, known: Known) -> list[Answered]:
    if isinstance(answer.part, Group):
        inside = [Answered(words.of_line(cast(Any, one.part), known), one.holds, True) for one in answer.lines]
        return [Answered(words.of_group(answer.part), answer.holds), *inside]
    return [Answered(words.of_line(answer.part, known), answer.holds)]


def existing(audience_id: str) -> SavedAudience:
    """Raises Http404."""
    found = SavedAudience.objects.filter(pk=numbers.read_id(audience_id) or 0).first()
    if found is None:
        raise Http404
    return found
