"""What staff may do to clients, one or many: the texts of the page that asks, and the numbers on it."""

from dataclasses import dataclass

from django import forms
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.reason_field import ReasonField
from notifier.clients import archiving
from notifier.models import Client, ConsentChange, Delivery
from notifier.runtime import versions
from notifier.staff import groups
from notifier.wording import numbers


@dataclass(frozen=True, slots=True)
class ClientAct:
    #: In URLs.
    name: str
    label: str
    permission: str
    #: The headline of the page that asks, and the button on it, with "3 clients".
    question: str
    button: str
    #: What the clients will be, for the list of counts, and what that means, in sentences.
    becomes: str
    meaning: str
    #: Only for clients that were ticked one by one, never for all that a list finds.
    is_personal: bool = False
    tone: str = "default"


ACTS = {
    act.name: act
    for act in (
        ClientAct(
            "archive",
            "Archive",
            groups.CHANGE_CLIENT,
            "Archive {}?",
            "Archive {}",
            "archived",
            "Archived clients are sent nothing from now on, not even by broadcasts that are being sent. Their consent "
            "and their record are kept, and you can restore them at any time.",
        ),
        ClientAct(
            "restore",
            "Restore",
            groups.CHANGE_CLIENT,
            "Restore {}?",
            "Restore {}",
            "active again",
            "They get what they had agreed to again. Messages that were sent while they were archived are not sent to "
            "them later.",
        ),
        ClientAct(
            "export",
            "Export data",
            groups.EXPORT_CLIENT,
            "Export the data held about {}?",
            "",
            "in the file",
            "The file contains all the data held: names and addresses, consent and its changes, every message with its "
            "status, and earlier versions. The history records that you exported it. Delete the file when you no "
            "longer need it.",
            is_personal=True,
        ),
        ClientAct(
            "erase",
            "Erase personal data",
            groups.ERASE_CLIENT,
            "Erase the personal data of {}?",
            "Erase the personal data of {}",
            "erased",
            "Name, e-mail address and phone number are erased everywhere: on the client’s page, in earlier versions, "
            "in the record of what was sent, in the edit history, and in import files that are waiting or have "
            "rejected rows. All consent is withdrawn. The record that messages were sent and had been agreed to is "
            "kept under a number. The addresses stay suppressed in a form that nobody can read: if one is entered or "
            "imported again, nothing is sent to it. This can’t be undone.",
            is_personal=True,
            tone="danger",
        ),
    )
}


class EraseForm(forms.Form):
    #: It is kept with the last version, whose reason holds a hundred characters, together with the word “erased”.
    why = ReasonField(
        max_length=90,
        help_text=_("Recorded with your name. For example: “ticket 4711”. Don’t name the client: the reason is kept."),
    )
    sure = forms.BooleanField(
        label=_("Erase permanently. I understand that this can’t be undone."),
        error_messages={"required": _("Tick this to confirm: it can’t be undone.")},
    )


def targets(act: ClientAct, clients: QuerySet[Client]) -> QuerySet[Client]:
    """Those of the clients that the act would change now."""
    if act.name == "archive":
        return clients.filter(is_active=True)
    if act.name == "restore":
        return clients.filter(is_active=False, erased_at=None)
    return clients.filter(erased_at=None) if act.name == "erase" else clients


def version(act: ClientAct, clients: QuerySet[Client]) -> str:
    """Of those that the act would change now, as its page shows them. The page posts it back: see `NotAsShown`."""
    found = targets(act, clients).order_by("pk")
    if act.is_personal:
        # These are named on the page, each with their addresses.
        return versions.digest(field for row in found.values_list("pk", "updated_at") for field in row)
    return versions.digest_of_ids(archiving.ids_of(found))


@dataclass(frozen=True, slots=True)
class ActPreview:
    """What an act would do now."""

    #: Clients that it would change.
    number: int
    #: How many it would not change, and why: "12 unchanged: …".
    left: list[tuple[int, str]]
    #: Records of these clients that it would keep: "34 deliveries".
    kept: list[tuple[int, str]]


def preview(act: ClientAct, clients: QuerySet[Client]) -> ActPreview:
    clients = clients.order_by()
    if act.name == "archive":
        number, left = _counts(clients, Q(is_active=True), Q(is_active=False))
        return ActPreview(number, _left((left, "already archived")), [])
    if act.name == "restore":
        archived = Q(is_active=False)
        kinds = (archived & Q(erased_at=None), Q(is_active=True), archived & ~Q(erased_at=None))
        number, active, erased = _counts(clients, *kinds)
        nothing_left = (erased, "erased, so there is nothing to restore")
        return ActPreview(number, _left((active, "already active"), nothing_left), [])
    if act.name == "erase":
        number, erased = _counts(clients, Q(erased_at=None), ~Q(erased_at=None))
        return ActPreview(number, _left((erased, "already erased")), _kept(clients))
    return ActPreview(clients.count(), [], _kept(clients))


def _counts(clients: QuerySet[Client], *kinds: Q) -> list[int]:
    """How many there are of each kind, in one query: each of its own would search for the clients anew."""
    counted = clients.aggregate(**{f"kind_{at}": Count("pk", filter=kind) for at, kind in enumerate(kinds)})
    return list(counted.values())


def _left(*counted: tuple[int, str]) -> list[tuple[int, str]]:
    return [(number, why) for number, why in counted if number]


def _kept(clients: QuerySet[Client]) -> list[tuple[int, str]]:
    ids = clients.values("pk")
    found = [
        (Delivery.objects.filter(client__in=ids).count(), "message", "messages"),
        (ConsentChange.objects.filter(client__in=ids).count(), "change of consent", "changes of consent"),
        (Client.history.filter(id__in=ids).count(), "earlier version", "earlier versions"),
    ]
    return [(number, numbers.plural(number, one, many)) for number, one, many in found]
