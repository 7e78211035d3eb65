"""What staff may do to clients, one or many: the texts of the page that asks, and the numbers on it."""

from dataclasses import dataclass

from django import forms
from django.db.models import QuerySet

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
    #: What the clients will be, for the table of counts, and what that means, in sentences.
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
            "Archived clients are sent nothing from now on, not even what is under way. Their consent and their record "
            "stay, and they can return at any time.",
        ),
        ClientAct(
            "restore",
            "Return",
            groups.CHANGE_CLIENT,
            "Return {} from the archive?",
            "Return {}",
            "active again",
            "They get again what they agreed to, with the consent of before. What was sent while they were archived is "
            "not sent after them.",
        ),
        ClientAct(
            "export",
            "Export data",
            groups.EXPORT_CLIENT,
            "Export what is kept about {}?",
            "",
            "in the file",
            "The file holds everything that is kept: names and addresses, consent and each change of it, every "
            "message with its outcome, and earlier versions. That it was exported, and by whom, goes into the history. "
            "Keep the file no longer than you need it.",
            is_personal=True,
        ),
        ClientAct(
            "erase",
            "Erase personal data",
            groups.ERASE_CLIENT,
            "Erase the personal data of {}?",
            "Erase the personal data of {}",
            "erased",
            "Name, e-mail address and phone number are erased: in the client, in every earlier version, in the record "
            "of what was sent, in the log of edits, and in files of clients: those that wait for their import, and "
            "rows that were not taken. All consent is withdrawn. That something was sent, and that it had been agreed "
            "to, stays on record under a number. Their addresses stay suppressed, though nobody can read them: whoever "
            "enters or imports one again writes to nobody. This can’t be undone.",
            is_personal=True,
            tone="danger",
        ),
    )
}


class EraseForm(forms.Form):
    #: It is kept with the last version, whose reason holds a hundred characters, together with the word “erased”.
    why = ReasonField(
        max_length=90,
        help_text="Kept in the record with your name, e.g. “ticket 4711”. Don’t name the client: it would stay.",
    )
    sure = forms.BooleanField(
        label="Erase it for good: this can’t be undone",
        error_messages={"required": "Tick this if you mean it: it can’t be undone."},
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
    #: How many it would not change, and why: "12 are …".
    left: list[tuple[int, str]]
    #: Records of these clients that it would keep: "34 deliveries".
    kept: list[tuple[int, str]]


def preview(act: ClientAct, clients: QuerySet[Client]) -> ActPreview:
    clients = clients.order_by()
    number = targets(act, clients).count()
    if act.name == "archive":
        return ActPreview(number, _left(clients.filter(is_active=False), "archived"), [])
    if act.name == "restore":
        archived = clients.filter(is_active=False)
        left = _left(clients.filter(is_active=True), "active")
        left += _left(archived.exclude(erased_at=None), "erased: there is nothing to bring back")
        return ActPreview(number, left, [])
    if act.name == "erase":
        erased = clients.exclude(erased_at=None)
        return ActPreview(number, _left(erased, "erased"), _kept(clients))
    return ActPreview(number, [], _kept(clients))


def _left(clients: QuerySet[Client], why: str) -> list[tuple[int, str]]:
    number = clients.count()
    words = why if ":" in why else f"{numbers.plural(number, 'is', 'are')} {why} already"
    return [(number, words)] if number else []


def _kept(clients: QuerySet[Client]) -> list[tuple[int, str]]:
    ids = clients.values("pk")
    found = [
        (Delivery.objects.filter(client__in=ids).count(), "delivery", "deliveries"),
        (ConsentChange.objects.filter(client__in=ids).count(), "change of consent", "changes of consent"),
        (Client.history.filter(id__in=ids).count(), "version of their entry", "versions of their entries"),
    ]
    return [(number, numbers.plural(number, one, many)) for number, one, many in found]
