"""What a client's page and their history show beside the form: messages, consent, replies, and what staff may do."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext

from notifier.admin.clients import bulk_acts
from notifier.admin.clients.acts import ACTS, ClientAct
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import Selection
from notifier.clients import record
from notifier.fields import changes, definitions, tags, values
from notifier.languages import offered
from notifier.models import Channel, Client
from notifier.policies import quiet_hours
from notifier.staff import groups
from notifier.wording import numbers

#: In the address of a client's page: the form, and not the profile.
EDIT = "edit"


def profile_context(model_admin: BackOfficeAdmin, request: HttpRequest, client: Client) -> dict[str, Any]:
    """Whether the page shows the profile or the form, the way to the other of them, and what the profile says.

    The form is there for whoever asked for it and may change the client, and as long as what was posted is refused.
    """
    may_change = model_admin.has_change_permission(request, client)
    own = model_admin.own_url(request, client)
    if may_change and is_form(request):
        return {"profile_url": own}
    zones = quiet_hours.zones_of(time_zone=client.time_zone, phone=str(client.phone) if client.phone else None)
    context: dict[str, Any] = {
        "is_profile": True,
        "language": offered.name(offered.of(client.language)),
        "is_default_language": client.language not in offered.codes(),
        "zone": _shown_zone(zones),
        "zone_from": _source_of_zone(client, zones),
    }
    context |= _own_values(client)
    if may_change:
        context["edit_url"] = f"{own}{'&' if '?' in own else '?'}{EDIT}=1"
    if request.user.has_perm(groups.VIEW_PREFERENCE) and not client.erased_at:
        context["agreed"] = record.agreed(client)
    if request.user.has_perm(groups.VIEW_DELIVERY):
        last = record.last_sent(client)
        context |= {"may_see_deliveries": True, "last_sent": last}
        context |= {"last_sent_by": Channel(last.channel).in_words} if last else {}
    return context


def is_form(request: HttpRequest) -> bool:
    """Whether the form is asked for, in the place of the profile; of whoever may write."""
    return EDIT in request.GET or request.method == "POST"


def _own_values(client: Client) -> dict[str, Any]:
    """What the client has in the fields that staff defined, in their order, and the tags."""
    fields = definitions.every()
    found = values.of_client(client.pk, fields)
    return {
        "own_values": [(one, one.type.show(found[one.id])) for one in fields if one.id in found],
        "tags": tags.of_client(client.pk),
    }


def _shown_zone(zones: Sequence[str]) -> str:
    return zones[0] if len(zones) == 1 else f"one of {len(zones)} zones"


def _source_of_zone(client: Client, zones: Sequence[str]) -> str:
    if (client.time_zone,) == tuple(zones):
        return ""
    return "from the phone number" if client.phone and tuple(zones) != quiet_hours.default() else "by default"


def record_context(model_admin: BackOfficeAdmin, request: HttpRequest, client: Client) -> dict[str, Any]:
    """The record below the form: each part only for those who may see such rows."""
    may = request.user.has_perm
    context: dict[str, Any] = {"acts": _possible_acts(model_admin, request, client)}
    if not client.is_active:
        context["archiving"] = record.archiving(client)
    if may(groups.VIEW_PREFERENCE):
        context |= _consent(request, client)
    if may(groups.VIEW_DELIVERY):
        context |= _deliveries(request, client)
    if may(groups.VIEW_SUPPRESSION):
        context |= _suppressions(client)
    if may(groups.VIEW_INBOUNDMESSAGE):
        context |= _replies(client)
    return context


def _suppressions(client: Client) -> dict[str, Any]:
    found = list(record.suppressions(client))
    # An erased client has no switches, and a note of their own.
    return {"suppressions": found, "suppressed_channels": [] if client.erased_at else [one.channel for one in found]}


def _consent(request: HttpRequest, client: Client) -> dict[str, Any]:
    most = record.MAX_SHOWN if request.GET.get("consent") == "all" else record.SHORT_CHANGES
    with_addresses = request.user.has_perm(groups.VIEW_SUPPRESSIONCHANGE)
    changes = record.consent_timeline(client=client, most=most + 1, with_addresses=with_addresses)
    return {"changes": changes[:most], "more_changes": len(changes) > most, "most_changes": record.MAX_SHOWN}


def _deliveries(request: HttpRequest, client: Client) -> dict[str, Any]:
    before = request.GET.get("before", "")
    before_id = numbers.read_id(before)
    return {"sent": record.delivery_page(client=client, before=before_id), "is_later_page": before_id}


def _replies(client: Client) -> dict[str, Any]:
    some = list(record.sms_replies(client)[: record.SHOWN_REPLIES + 1])
    return {"replies": some[: record.SHOWN_REPLIES], "more_replies": len(some) > record.SHOWN_REPLIES}


def _possible_acts(model_admin: BackOfficeAdmin, request: HttpRequest, client: Client) -> list[tuple[ClientAct, str]]:
    """The acts that make sense for this client and that this user may do, each with its URL."""
    is_possible = {
        "archive": client.is_active,
        "restore": not client.is_active and not client.erased_at,
        "erase": client.erased_at is None,
        "export": True,
    }
    selected = Selection([client.pk], None)
    return [
        (act, bulk_acts.act_url(model_admin, act, selected))
        for act in ACTS.values()
        if is_possible[act.name] and request.user.has_perm(act.permission)
    ]


def history_context(model_admin: BackOfficeAdmin, request: HttpRequest, client: Client) -> dict[str, Any]:
    """The versions with what each changed. The stock log beside them only knows of edits on pages."""
    most = record.MAX_SHOWN if request.GET.get("show") == "all" else record.PAGE_SIZE
    may_see = model_admin.has_view_permission(request)
    found = list(record.earlier_versions(client=client, most=most + 1)) if may_see else []
    context = {"versions": found[:most], "more": len(found) > most, "most": record.MAX_SHOWN}
    return context | (_value_changes(client, most) if may_see else {})


def _value_changes(client: Client, most: int) -> dict[str, Any]:
    rows = list(changes.of_client(client.pk)[: most + 1])
    fields = definitions.every()
    shown = [(one, changes.differences(one, fields)) for one in rows[:most]]
    return {"value_changes": shown, "more_value_changes": len(rows) > most}


def reason_to_keep(client: Client) -> str:
    """Why the client can't be deleted, in a sentence; empty where nothing stands against it."""
    instead = gettext("Archive the client instead, or erase the personal data. Either way, nothing is sent any more.")
    if client.deliveries.exists():
        return f"{client} can’t be deleted, because messages have been sent to this client. {instead}"
    if client.consent_changes.exists():
        return f"{client} can’t be deleted, because the record of consent is kept as evidence. {instead}"
    return ""


def erased_meanwhile(client: Client) -> str:
    """What is said to whoever saves a page that was opened before the client was erased."""
    version = record.history(client).first()
    by = f" by {version.history_user.get_username()}" if version and version.history_user else ""
    moment = date_format(localtime(client.erased_at), "j M Y, H:i")
    return gettext("Nothing was saved: the personal data of this client was erased%(by)s on %(moment)s.") % {
        "by": by,
        "moment": moment,
    }
