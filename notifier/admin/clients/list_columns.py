"""Which fields and tags the client list shows: chosen by each member of staff, and kept with their profile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from notifier.admin.clients.request_fields import fields_of, tags_of
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.fields import values
from notifier.fields.definitions import Definition
from notifier.models import ClientTag
from notifier.staff import profiles
from notifier.wording import numbers

#: In the place of a field's id.
TAGS = "tags"
#: Shown to who never chose: so many of the first fields, and tags where there are any. More don't fit beside the rest.
DEFAULT_FIELDS = 1
#: More make no list.
MAX_COLUMNS = 12
_KEPT = "_notifier_client_columns"


@dataclass(frozen=True, slots=True)
class ListColumns:
    """What one request shows."""

    fields: Sequence[Definition]
    has_tags: bool
    offered: Sequence[Definition]
    offers_tags: bool

    def is_chosen(self, definition: Definition) -> bool:
        return any(one.id == definition.id for one in self.fields)


def of_request(request: HttpRequest) -> ListColumns:
    """Read once a request: the list asks for its columns several times."""
    found: ListColumns | None = getattr(request, _KEPT, None)
    if found is None:
        found = _columns(request, profiles.client_columns(cast(User, request.user)))
        setattr(request, _KEPT, found)
    return found


def _columns(request: HttpRequest, chosen: Sequence[int | str] | None) -> ListColumns:
    offered = [one for one in fields_of(request) if one.field.retired_at is None]
    offers_tags = bool(tags_of(request))
    if chosen is None:
        return ListColumns(offered[:DEFAULT_FIELDS], offers_tags, offered, offers_tags)
    return ListColumns(
        [one for one in offered if one.id in chosen], offers_tags and TAGS in chosen, offered, offers_tags
    )


# --- In the list ------------------------------------------------------------------------------------------------------
def list_display(request: HttpRequest) -> list[Callable[[Any], Any]]:
    chosen = of_request(request)
    shown: list[Callable[[Any], Any]] = [_ValueColumn(one) for one in chosen.fields]
    return [*shown, tag_names] if chosen.has_tags else shown


class _ValueColumn:
    """A column of the list, as Django's admin calls it. There is no index by which a million rows could be sorted."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        #: In CSS classes and for screen readers.
        self.__name__ = f"value_{definition.id}"
        self.short_description = definition.label

    def __call__(self, client: Any) -> str | None:
        value = client.shown_values.get(self._definition.id)
        return None if value is None else self._definition.type.show(value)


def tag_names(client: Any) -> SafeString | None:
    return format_html_join(" ", '<span class="tag">{}</span>', ((name,) for name in client.tag_names)) or None


tag_names.short_description = "tags"  # type: ignore[attr-defined]


def look_up(request: HttpRequest, page: TemplateResponse) -> None:
    """The values and tags of the clients on a page of their list: one query each, whichever columns are shown."""
    changes = (page.context_data or {})["cl"]
    rows: list[Any] = list(changes.result_list)
    chosen = of_request(request)
    found: Mapping[int, Mapping[int, Any]] = {}
    if chosen.fields and rows:
        found = dict(values.of_clients([row.pk for row in rows], chosen.fields))
    tagged: dict[int, list[str]] = {}
    if chosen.has_tags and rows:
        pairs = ClientTag.objects.filter(client__in=[row.pk for row in rows]).order_by("tag__folded")
        for client_id, name in pairs.values_list("client_id", "tag__name"):
            tagged.setdefault(client_id, []).append(name)
    for row in rows:
        row.shown_values, row.tag_names = found.get(row.pk, {}), tagged.get(row.pk, [])
    changes.result_list = rows


# --- Choosing them ----------------------------------------------------------------------------------------------------
def columns_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """POST keeps what was ticked, and goes back to the list as it was."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    known = of_request(request).offered
    ids = {numbers.read_id(one) for one in request.POST.getlist("column")}
    chosen: list[int | str] = [*[one.id for one in known if one.id in ids][:MAX_COLUMNS]]
    if TAGS in request.POST.getlist("column"):
        chosen.append(TAGS)
    default = "default" in request.POST
    profiles.set_client_columns(user=cast(User, request.user), columns=None if default else chosen)
    return redirect(f"{model_admin.page_url('changelist')}?{request.POST.get('list', '')}")


def choices(request: HttpRequest) -> list[tuple[str, str, bool]]:
    """What may be ticked: what is posted, its name, and whether it is shown now."""
    columns = of_request(request)
    found = [(str(one.id), one.label, columns.is_chosen(one)) for one in columns.offered]
    return [*found, (TAGS, "Tags", columns.has_tags)] if columns.offers_tags else found
