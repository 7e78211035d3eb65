"""The export of clients: what the list finds, or those that were ticked, as a file."""

import logging
from collections.abc import Sequence
from typing import cast

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists import downloads, selection
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import Selection
from notifier.clients import archiving, export
from notifier.clients.imports import importer
from notifier.fields.definitions import Definition
from notifier.models import Client, Tag
from notifier.runtime import clock, versions
from notifier.staff import groups
from notifier.wording import numbers

logger = logging.getLogger(__name__)

#: A sheet is written in full before the browser gets the first byte.
MAX_XLSX = 50_000
#: Exports of before that the page tells of.
MAX_LATELY = 5
_NOTE = "Exported clients"
#: The names of what is posted: the id of each chosen field, and whether tags are in the file.
FIELD, TAGS = "field", "tags"


@admin.action(description=_("Export selected clients…"), permissions=["export_client"])
def export_selected(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
    return redirect(_export_url(model_admin, Selection.of_action(request, queryset)))


def export_url(model_admin: BackOfficeAdmin, request: HttpRequest) -> str:
    """The page that exports all that the list of this request finds."""
    return _export_url(model_admin, Selection(None, selection.listed_query(request)))


def _export_url(model_admin: BackOfficeAdmin, selected: Selection) -> str:
    return f"{model_admin.page_url('export')}?{selected.query()}"


def may_export(model_admin: BackOfficeAdmin, request: HttpRequest) -> bool:
    return request.user.has_perm(groups.EXPORT_CLIENT) and model_admin.has_view_permission(request)


def export_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponseBase:
    """GET asks which kind of file, POST makes it."""
    if not may_export(model_admin, request):
        raise PermissionDenied
    selected = Selection.read(request.GET)
    rows = model_admin.selected_rows(request, selected) if selected else None
    if selected is None or rows is None:
        return model_admin.ask_to_choose(request)
    found = rows.found.filter(erased_at=None)
    is_long = found.order_by()[MAX_XLSX : MAX_XLSX + 1].exists()
    # Of more than that the page shows no number, and nobody could tell whether they are the same.
    fields = export.choosable_fields()
    version = "" if is_long else versions.digest_of_ids(archiving.ids_of(found))
    kind, note = request.POST.get("kind") if request.method == "POST" else None, ""
    if kind in downloads.KINDS and not (kind == "xlsx" and is_long):
        if request.POST.get("seen") == version:
            return _file_response(request, found, kind, selected, fields)
        note = gettext("Nothing was exported: the list has changed since you opened the page. Check the number again.")
    page = {
        "note": note,
        "seen": version,
        "title": gettext("Export clients"),
        "number": None if is_long else found.count(),
        "most_xlsx": MAX_XLSX,
        "is_chosen": selected.ids is not None,
        "fields": [(one, _is_ticked(request, one)) for one in fields],
        "has_tags": Tag.objects.exists(),
        "is_tags_ticked": request.method != "POST" or TAGS in request.POST,
        "lately": _lately(),
        "back": f"{model_admin.page_url('changelist')}?{selected.listed or ''}",
    }
    return TemplateResponse(request, "admin/notifier/client/export.html", model_admin.page_context(request, page))


def _lately() -> QuerySet[LogEntry]:
    """The newest records of such exports."""
    of_clients = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Client), object_id=None)
    return of_clients.filter(change_message__startswith=_NOTE).select_related("user").order_by("-pk")[:MAX_LATELY]


def _is_ticked(request: HttpRequest, definition: Definition) -> bool:
    """As it was posted; to begin with all but those that were retired."""
    if request.method == "POST":
        return str(definition.id) in request.POST.getlist(FIELD)
    return definition.field.retired_at is None


def _chosen_fields(request: HttpRequest, fields: Sequence[Definition]) -> list[Definition]:
    ids = {numbers.read_id(one) for one in request.POST.getlist(FIELD)}
    return [one for one in fields if one.id in ids]


def _file_response(
    request: HttpRequest, clients: QuerySet[Client], kind: str, selected: Selection, fields: Sequence[Definition]
) -> HttpResponseBase:
    """`fields`: all that may be chosen."""
    topics, has_tags, chosen = importer.topics(), TAGS in request.POST, _chosen_fields(request, fields)
    name = f"clients-{localtime(clock.now()):%Y-%m-%d}"
    # Addresses leave the product here, so the log keeps who took them and when.
    LogEntry.objects.create(
        user_id=cast(int, request.user.pk),
        content_type=ContentType.objects.get_for_model(Client),
        object_repr=f"{name}.{kind}",
        action_flag=CHANGE,
        change_message=f"{_NOTE} as {kind.upper()}: {_in_words(selected)}."[:1000],
    )
    logger.info("User %s exports clients as %s.", request.user.pk, kind)
    header = export.header(topics, chosen, has_tags=has_tags, known=fields)
    return downloads.KINDS[kind](header, export.rows(clients, topics, chosen, has_tags=has_tags), name)


def _in_words(selected: Selection) -> str:
    if selected.ids:
        return f"selected {', '.join(map(str, selected.ids))}"
    return selection.in_words(QueryDict(selected.listed or "")) or "all"
