"""Every page and button of the back office, and the permissions that it asks for: what test_doors.py goes through.

A new page takes a line in DOORS: `Opens` for what is looked at, `Does` for what is posted. A new model takes a line in
MODELS, which stands for its list, history, and the pages that add, change and delete.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from notifier.admin.broadcasts.acts.buttons import BUTTONS
from notifier.admin.deliveries.recovery import DECISIONS
from notifier.admin.deliveries.results import EXPORTS, OWNER
from notifier.models import Channel
from tests.notifier.admin.house import CLIENTS

#: What no permission opens: superusers are refused as well.
NEVER = ("never",)
#: Whoever may log in may do it.
STAFF: tuple[str, ...] = ()
#: Pages without a login, and Django's own that show nothing of ours.
PUBLIC = {"login", "logout", "jsi18n", "view_on_site"}


@dataclass(frozen=True)
class Door:
    #: The name of its address, without "admin:".
    name: str
    #: All of them are wanted; those of ours without their "notifier.".
    needs: tuple[str, ...]
    #: The address's arguments and its query, from the rows of `a_house`.
    args: Callable[[Any], tuple[Any, ...]] = lambda house: ()
    query: Callable[[Any], dict[str, Any]] = lambda house: {}
    #: Tells doors of one address apart.
    label: str = ""

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.name} {self.label}".strip()

    def url(self, house: Any) -> str:
        query = self.query(house)
        return reverse(f"admin:{self.name}", args=self.args(house)) + (f"?{urlencode(query)}" if query else "")

    @property
    def permissions(self) -> set[str]:
        return {need if "." in need else f"notifier.{need}" for need in self.needs}


@dataclass(frozen=True)
class Opens(Door):
    """GET. Refused with 403."""


@dataclass(frozen=True)
class Does(Door):
    """POST, which changes something, or else says so. Refused with 403, and nothing has changed."""

    #: Posted besides what the form of the same address holds already.
    data: Callable[[Any], dict[str, Any]] = lambda house: {}
    #: Whether the address has a form, to be filled in as it comes.
    has_form: bool = True
    #: An action of a list that sends on to a page; others change something.
    leads_to: str = ""
    is_action: bool = False
    #: Answers with a page or a file of its own; others send on to a page.
    answers: bool = False
    #: What only shows how something would look changes nothing for anybody.
    changes: bool = True


@dataclass(frozen=True)
class Model:
    view: tuple[str, ...]
    add: tuple[str, ...] = NEVER
    change: tuple[str, ...] = NEVER
    delete: tuple[str, ...] = NEVER
    #: What the forms get that add and change.
    added: Callable[[Any], dict[str, Any]] = lambda house: {}
    changed: Callable[[Any], dict[str, Any]] = lambda house: {}
    #: The row, in the house, if it isn't called like the model.
    row: str = ""
    row_to_delete: str = ""


MODELS = {
    "notifier_client": Model(
        view=("view_client",),
        add=("add_client",),
        change=("change_client",),
        delete=("delete_client",),
        added=lambda house: {"name": "New", "email": "new@example.com"},
        changed=lambda house: {"name": "Renamed"},
        row_to_delete="unsent_client",
    ),
    "notifier_topic": Model(
        view=("view_topic",),
        add=("add_topic",),
        change=("change_topic",),
        delete=("delete_topic",),
        added=lambda house: {"name": "New", "slug": "new"},
        changed=lambda house: {"name": "Renamed"},
    ),
    "notifier_suppression": Model(
        view=("view_suppression",),
        add=("add_suppression",),
        added=lambda house: {"channel": "email", "address": "new@example.com", "reason": "asked"},
    ),
    "notifier_inboundmessage": Model(view=("view_inboundmessage",)),
    "notifier_notification": Model(
        view=("view_notification",),
        add=("add_notification",),
        change=("change_notification",),
        delete=("delete_notification",),
        added=lambda house: {"topic": house.topic.pk, "subject": "New", "email_body": "Text"},
        changed=lambda house: {"subject": "Changed"},
        row_to_delete="unsent_notification",
    ),
    "notifier_broadcast": Model(view=("view_broadcast",)),
    "notifier_delivery": Model(view=("view_delivery",)),
    "notifier_clientimport": Model(view=("view_clientimport",), row="imported"),
    "notifier_resolution": Model(view=("view_resolution",)),
    "notifier_process": Model(view=("view_process",)),
    "notifier_queuedticket": Model(view=("view_queuedticket",)),
    "notifier_throttle": Model(
        view=("view_throttle",), change=("change_throttle",), changed=lambda house: {"rate": "20/s"}
    ),
    "auth_user": Model(
        view=("auth.view_user",),
        add=("auth.add_user", "auth.change_user"),
        change=("auth.change_user",),
        delete=("auth.delete_user",),
        added=lambda house: {"username": "new", "password1": "Zq8w-Yt5Rn_7", "password2": "Zq8w-Yt5Rn_7"},
        changed=lambda house: {"first_name": "Renamed"},
    ),
    "auth_group": Model(
        view=("auth.view_group",),
        add=("auth.add_group",),
        change=("auth.change_group",),
        delete=("auth.delete_group",),
        added=lambda house: {"name": "New"},
        changed=lambda house: {"name": "Renamed"},
    ),
    "axes_accessattempt": Model(view=("axes.view_accessattempt",), delete=("axes.delete_accessattempt",)),
    "axes_accesslog": Model(view=("axes.view_accesslog",)),
}


def _of(row: str) -> Callable[[Any], tuple[Any, ...]]:
    return lambda house: (getattr(house, row).pk,)


def _chosen(action: str, row: str, **more: str) -> Callable[[Any], dict[str, Any]]:
    """What a list posts for one ticked row."""
    return lambda house: {"action": action, "_selected_action": [getattr(house, row).pk], "index": "0", **more}


def _action(model: str, action: str, row: str, needs: tuple[str, ...], leads_to: str = "") -> Does:
    return Does(
        f"{model}_changelist",
        needs,
        data=_chosen(action, row),
        has_form=False,
        leads_to=leads_to,
        is_action=True,
        label=action,
    )


def _of_model(name: str, model: Model) -> Iterator[Door]:
    row = model.row or name.partition("_")[2]
    to_delete = model.row_to_delete or row
    yield Opens(f"{name}_changelist", model.view)
    yield Opens(f"{name}_change", model.view, _of(row))
    yield Opens(f"{name}_history", model.view, _of(row))
    yield Opens(f"{name}_add", model.add)
    yield Does(f"{name}_add", model.add, data=model.added, has_form=model.add != NEVER)
    yield Opens(f"{name}_delete", model.delete, _of(to_delete))
    yield Does(f"{name}_delete", model.delete, _of(to_delete), data=lambda house: {"post": "yes"}, has_form=False)
    if name != "notifier_broadcast":  # whose page sends on to another, whatever comes
        has_form = model.change != NEVER
        yield Does(f"{name}_change", model.change, _of(row), data=model.changed, has_form=has_form)


SEND = ("send_broadcast",)
APPROVE = ("view_broadcast", "approve_broadcast")
CONTROL = ("view_broadcast", "control_broadcast")
RESOLVE = ("view_delivery", "resolve_delivery")
#: Where it is given: a broadcast in such a state.
_GIVEN_TO = {"resume": "paused", "retry": "finished", "start-now": "scheduled"}


def _orders() -> Iterator[Door]:
    for button in BUTTONS.values():
        row = _GIVEN_TO.get(button.name, "broadcast")

        def args(house: Any, name: str = button.name, row: str = row) -> tuple[Any, ...]:
            return getattr(house, row).pk, name

        needs = ("view_broadcast", "resolve_delivery") if button.name == "retry" else CONTROL
        if button.asks:
            yield Opens("notifier_broadcast_order", needs, args, label=button.name)
        yield Does(
            "notifier_broadcast_order",
            needs,
            args,
            data=lambda house: {"why": "asked"},
            has_form=False,
            label=button.name,
        )


def _decisions() -> Iterator[Door]:
    for name in DECISIONS:

        def args(house: Any, name: str = name) -> tuple[Any, ...]:
            return (name,)

        def query(house: Any) -> dict[str, Any]:
            return {"ids": house.failed.pk}

        page = "notifier_delivery_resolve"
        yield Opens(page, RESOLVE, args, query, label=name)
        yield Does(page, RESOLVE, args, query, label=name, data=lambda house: {"why": "asked"})


def _seen(house: Any) -> dict[str, Any]:
    """The version of the broadcast that the page shows."""
    return {"word": "approve", "text_of": house.awaiting.text_of.isoformat(), "scheduled_for": "", "expires_at": ""}


def _tomorrow(house: Any) -> dict[str, Any]:
    later = timezone.localtime() + timedelta(days=2)
    return {"when": "later", "scheduled_for": f"{later:%Y-%m-%dT%H:%M}", "expires_at": ""}


EXPORT_CLIENTS = ("view_client", "export_client")
IMPORT = ("import_client",)
READ = ("view_inboundmessage", "change_inboundmessage")
#: By decision: its action, whom it is about, and the permission.
_CLIENT_DECISIONS = {
    "archive": ("archive_selected", "client", "change_client"),
    "restore": ("return_selected", "archived", "change_client"),
    "export": ("export_all_data", "client", "export_client"),
    "erase": ("erase_selected", "unsent_client", "erase_client"),
}


def _client_decisions() -> Iterator[Door]:
    page = "notifier_client_decide"
    for name, (action, row, permission) in _CLIENT_DECISIONS.items():

        def args(house: Any, name: str = name) -> tuple[Any, ...]:
            return (name,)

        def query(house: Any, row: str = row) -> dict[str, Any]:
            return {"ids": getattr(house, row).pk}

        needs = ("view_client", permission)
        yield _action("notifier_client", action, row, needs, leads_to=page)
        yield Opens(page, needs, args, query, label=name)
        yield Does(
            page,
            needs,
            args,
            query,
            label=name,
            data=lambda house: {"why": "asked", "sure": "on"},
            has_form=False,
            answers=name == "export",
        )


def _liftings() -> Iterator[Door]:
    """What bounced or staff entered, and what clients asked for themselves."""
    for row, permission in (("suppression", "lift_suppression"), ("refusal", "lift_refusal")):

        def query(house: Any, row: str = row) -> dict[str, Any]:
            return {"ids": getattr(house, row).pk}

        page, needs = "notifier_suppression_lift", ("view_suppression", permission)
        yield Opens(page, needs, query=query, label=row)
        yield Does(page, needs, query=query, label=row, data=lambda house: {"why": "asked"}, has_form=False)


WRITE = ("view_notification", "change_notification")


def _draft(house: Any) -> dict[str, Any]:
    """What the form of a notification posts while it is written."""
    return {"topic": house.topic.pk, "subject": "Draft", "email_body": "Hello {{ name }}", "sms_body": "Hello"}


def _version(house: Any) -> tuple[Any, ...]:
    """The notification as it was first."""
    return house.notification.pk, house.notification.history.earliest().pk


def _tests() -> Iterator[Door]:
    for channel in Channel.values:

        def args(house: Any, channel: str = channel) -> tuple[Any, ...]:
            return (channel,)

        page = "notifier_notification_test"
        yield Does(page, WRITE, args, data=_draft, has_form=False, answers=True, label=channel)


DOORS: list[Door] = [
    *(door for name, model in MODELS.items() for door in _of_model(name, model)),
    # --- Everybody's ---
    Opens("index", STAFF),
    Opens("app_list", STAFF, lambda house: ("notifier",)),
    Opens("account", STAFF),
    Does("account", STAFF, data=lambda house: {"first_name": "Renamed", "time_zone": "Europe/Vienna"}),
    Opens("password_change", STAFF),
    Opens("password_change_done", STAFF),
    Does(
        "password_change",
        STAFF,
        data=lambda house: {"old_password": "secret", "new_password1": "Zq8w-Yt5Rn", "new_password2": "Zq8w-Yt5Rn"},
        has_form=False,
    ),
    # --- Clients ---
    *_client_decisions(),
    _action("notifier_client", "export_selected", "client", EXPORT_CLIENTS, leads_to="notifier_client_export"),
    Opens("notifier_client_export", EXPORT_CLIENTS, query=lambda house: {"ids": house.client.pk}),
    Does(
        "notifier_client_export",
        EXPORT_CLIENTS,
        query=lambda house: {"ids": house.client.pk},
        data=lambda house: {"kind": "csv"},
        has_form=False,
        answers=True,
    ),
    Opens("notifier_client_why", ("view_client", "view_delivery"), _of("client")),
    # --- The inbox ---
    _action("notifier_inboundmessage", "mark_as_read", "inboundmessage", READ),
    Does("notifier_inboundmessage_read", READ, _of("inboundmessage"), has_form=False),
    # --- Imports ---
    Opens("notifier_clientimport_upload", IMPORT),
    Does(
        "notifier_clientimport_upload",
        IMPORT,
        data=lambda house: {"file": SimpleUploadedFile("clients.csv", CLIENTS)},
        has_form=False,
    ),
    *(
        Opens(f"notifier_clientimport_{name}", IMPORT, _of("uploaded"))
        for name in ("columns", "preview", "failed_rows")
    ),
    Does(
        "notifier_clientimport_columns",
        IMPORT,
        _of("uploaded"),
        data=lambda house: {"column-0": "email", "column-1": "name"},
        has_form=False,
    ),
    *(
        Does(f"notifier_clientimport_{name}", IMPORT, _of("uploaded"), has_form=False)
        for name in ("preview", "discard")
    ),
    # --- Notifications ---
    Opens(
        "autocomplete",
        ("view_topic",),
        query=lambda house: {"app_label": "notifier", "model_name": "notification", "field_name": "topic"},
    ),
    _action(
        "notifier_notification",
        "broadcast_selected",
        "notification",
        ("view_notification", *SEND),
        leads_to="notifier_notification_broadcast",
    ),
    Opens("notifier_notification_broadcast", SEND, query=lambda house: {"ids": house.unsent_notification.pk}),
    Does("notifier_notification_broadcast", SEND, query=lambda house: {"ids": house.unsent_notification.pk}),
    Opens("notifier_notification_limits", SEND, query=lambda house: {"ids": house.unsent_notification.pk}),
    Opens("notifier_notification_email_preview", SEND, _of("unsent_notification")),
    Opens(
        "notifier_notification_preview",
        ("view_notification",),
        query=lambda house: {"notification": house.notification.pk},
    ),
    *(
        Does(f"notifier_notification_{name}", WRITE, data=_draft, has_form=False, answers=True, changes=False)
        for name in ("preview", "check")
    ),
    Opens("notifier_notification_readers", ("view_client",), query=lambda house: {"reader": "Ann"}),
    *_tests(),
    Does(
        "notifier_notification_duplicate",
        ("view_notification", "add_notification"),
        _of("notification"),
        has_form=False,
    ),
    Opens("notifier_notification_simple_history", ("view_notification",), _version),
    Does("notifier_notification_simple_history", WRITE, _version),
    # --- Broadcasts ---
    Opens("notifier_broadcast_progress", ("view_broadcast",), _of("broadcast")),
    Opens("notifier_broadcast_email_preview", ("view_broadcast",), _of("broadcast")),
    *_orders(),
    Opens("notifier_broadcast_approve", APPROVE, _of("awaiting")),
    Does(
        "notifier_broadcast_approve",
        APPROVE,
        _of("awaiting"),
        data=lambda house: {"word": "reject", "why": "too early"},
        has_form=False,
        label="reject",
    ),
    Does("notifier_broadcast_approve", APPROVE, _of("awaiting"), data=_seen, has_form=False),
    Opens("notifier_broadcast_schedule", CONTROL, _of("scheduled")),
    Does("notifier_broadcast_schedule", CONTROL, _of("scheduled"), data=_tomorrow, has_form=False),
    Opens("notifier_broadcast_follow", ("view_broadcast", *SEND), _of("finished")),
    Does(
        "notifier_broadcast_follow",
        ("view_broadcast", *SEND),
        _of("finished"),
        data=lambda house: {"token": str(uuid4())},
        has_form=False,
    ),
    Does("try_again", ("control_broadcast",), lambda house: ("email",), has_form=False),
    # --- Suppressions ---
    _action(
        "notifier_suppression",
        "lift_selected",
        "suppression",
        ("view_suppression", "lift_suppression"),
        leads_to="notifier_suppression_lift",
    ),
    *_liftings(),
    # --- Deliveries ---
    _action("notifier_delivery", "mark_as_sent", "failed", RESOLVE, leads_to="notifier_delivery_resolve"),
    _action("notifier_delivery", "send_again", "failed", RESOLVE, leads_to="notifier_delivery_resolve"),
    *_decisions(),
    *(
        Opens(
            "notifier_delivery_export",
            ("view_delivery", "export_delivery"),
            lambda house, kind=kind: (kind,),  # type: ignore[misc]
            query=lambda house: {OWNER: house.finished.pk},
            label=kind,
        )
        for kind in EXPORTS
    ),
    # --- Access ---
    Opens("auth_user_password_change", ("auth.change_user",), _of("user")),
    Does(
        "auth_user_password_change",
        ("auth.change_user",),
        _of("user"),
        data=lambda house: {"password1": "Zq8w-Yt5Rn", "password2": "Zq8w-Yt5Rn", "set-password": "1"},
    ),
    _action(
        "axes_accessattempt",
        "unlock",
        "accessattempt",
        ("axes.view_accessattempt", "axes.delete_accessattempt"),
    ),
]
