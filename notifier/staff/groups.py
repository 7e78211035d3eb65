"""Who may do what: the groups that come with the product, and the permissions of each, in one place.

docs/rights.md shows it as a matrix, with the reasons; a test compares the two. It is where a group begins: once it is
made it belongs to staff, who may give it more or less, and nothing here takes that back.
"""

from collections.abc import Iterable

from django.apps.registry import Apps
from django.contrib.auth.models import Permission, User
from django.db.models import Q

EDITORS, SENDERS, APPROVERS, AUDITORS = GROUPS = ("Editors", "Senders", "Approvers", "Auditors")
_ALL = frozenset(GROUPS)
_EDIT = frozenset({EDITORS})
_SEND = frozenset({SENDERS})
_APPROVE = frozenset({APPROVERS})
_AUDIT = frozenset({AUDITORS})
#: No group has these: they are given to single users, and superusers have them.
_NOBODY: frozenset[str] = frozenset()

#: Those that our own code asks for; what Django's admin asks for stands below alone.
DELETE_ACCESSATTEMPT = "axes.delete_accessattempt"
VIEW_SAVEDAUDIENCE = "notifier.view_savedaudience"
ADD_SAVEDAUDIENCE = "notifier.add_savedaudience"
USE_SAVEDAUDIENCE = "notifier.use_savedaudience"
CHANGE_SAVEDAUDIENCE = "notifier.change_savedaudience"
APPROVE_BROADCAST = "notifier.approve_broadcast"
CONTROL_BROADCAST = "notifier.control_broadcast"
SEND_BROADCAST = "notifier.send_broadcast"
VIEW_BROADCAST = "notifier.view_broadcast"
CHANGE_CLIENT = "notifier.change_client"
ERASE_CLIENT = "notifier.erase_client"
EXPORT_CLIENT = "notifier.export_client"
IMPORT_CLIENT = "notifier.import_client"
RESUBSCRIBE_CLIENT = "notifier.resubscribe_client"
VIEW_CLIENT = "notifier.view_client"
VIEW_CLIENTFIELD = "notifier.view_clientfield"
CHANGE_CLIENTFIELD = "notifier.change_clientfield"
SEND_CRITICAL = "notifier.send_critical"
EXPORT_DELIVERY = "notifier.export_delivery"
RESOLVE_DELIVERY = "notifier.resolve_delivery"
VIEW_DELIVERY = "notifier.view_delivery"
VIEW_ERASEDADDRESS = "notifier.view_erasedaddress"
CHANGE_INBOUNDMESSAGE = "notifier.change_inboundmessage"
VIEW_INBOUNDMESSAGE = "notifier.view_inboundmessage"
CHANGE_NOTIFICATION = "notifier.change_notification"
VIEW_NOTIFICATION = "notifier.view_notification"
VIEW_PICTURE = "notifier.view_picture"
VIEW_PREFERENCE = "notifier.view_preference"
VIEW_PROCESS = "notifier.view_process"
VIEW_PROVIDEREVENT = "notifier.view_providerevent"
VIEW_RESOLVEDDELIVERY = "notifier.view_resolveddelivery"
LIFT_REFUSAL = "notifier.lift_refusal"
ADD_TAG = "notifier.add_tag"
CHANGE_TAG = "notifier.change_tag"
VIEW_TAG = "notifier.view_tag"
LIFT_SUPPRESSION = "notifier.lift_suppression"
VIEW_SUPPRESSION = "notifier.view_suppression"
VIEW_SUPPRESSIONCHANGE = "notifier.view_suppressionchange"

#: Every permission that a page asks for, and the groups that have it.
RIGHTS: dict[str, frozenset[str]] = {
    # --- Clients, and what they agreed to hear ---
    VIEW_CLIENT: _ALL,
    "notifier.add_client": _EDIT,
    CHANGE_CLIENT: _EDIT,
    "notifier.delete_client": _NOBODY,
    VIEW_PREFERENCE: _ALL,
    "notifier.add_preference": _EDIT,
    "notifier.change_preference": _EDIT,
    "notifier.view_consentchange": _ALL,
    "notifier.view_historicalclient": _ALL,
    RESUBSCRIBE_CLIENT: _NOBODY,
    IMPORT_CLIENT: _EDIT,
    "notifier.view_clientimport": _EDIT | _AUDIT,
    EXPORT_CLIENT: _NOBODY,
    ERASE_CLIENT: _NOBODY,
    VIEW_CLIENTFIELD: _ALL,
    "notifier.add_clientfield": _EDIT,
    CHANGE_CLIENTFIELD: _EDIT,
    "notifier.delete_clientfield": _EDIT,
    VIEW_TAG: _ALL,
    ADD_TAG: _EDIT,
    CHANGE_TAG: _EDIT,
    "notifier.delete_tag": _EDIT,
    VIEW_SAVEDAUDIENCE: _ALL,
    ADD_SAVEDAUDIENCE: _EDIT,
    CHANGE_SAVEDAUDIENCE: _EDIT,
    "notifier.delete_savedaudience": _EDIT,
    USE_SAVEDAUDIENCE: _SEND,
    "notifier.view_topic": _ALL,
    "notifier.add_topic": _EDIT,
    "notifier.change_topic": _EDIT,
    "notifier.delete_topic": _NOBODY,
    VIEW_SUPPRESSION: _ALL,
    "notifier.add_suppression": _EDIT,
    "notifier.change_suppression": _NOBODY,
    "notifier.delete_suppression": _NOBODY,
    LIFT_SUPPRESSION: _EDIT,
    LIFT_REFUSAL: _NOBODY,
    VIEW_SUPPRESSIONCHANGE: _ALL,
    VIEW_ERASEDADDRESS: _AUDIT,
    VIEW_PROVIDEREVENT: _ALL,
    VIEW_INBOUNDMESSAGE: _ALL,
    CHANGE_INBOUNDMESSAGE: _EDIT | _SEND,
    # --- What is written, and what is sent ---
    VIEW_NOTIFICATION: _ALL,
    "notifier.add_notification": _EDIT,
    CHANGE_NOTIFICATION: _EDIT,
    "notifier.delete_notification": _EDIT,
    "notifier.view_historicalnotification": _ALL,
    VIEW_PICTURE: _ALL,
    "notifier.add_picture": _EDIT,
    "notifier.change_picture": _EDIT,
    "notifier.delete_picture": _EDIT,
    "notifier.view_brand": _AUDIT,
    "notifier.change_brand": _NOBODY,
    VIEW_BROADCAST: _ALL,
    SEND_BROADCAST: _SEND,
    CONTROL_BROADCAST: _SEND | _APPROVE,
    APPROVE_BROADCAST: _APPROVE,
    SEND_CRITICAL: _NOBODY,
    VIEW_DELIVERY: _ALL,
    RESOLVE_DELIVERY: _SEND,
    EXPORT_DELIVERY: _SEND,
    "notifier.view_resolution": _ALL,
    VIEW_RESOLVEDDELIVERY: _AUDIT,
    # --- The system ---
    VIEW_PROCESS: _AUDIT,
    "notifier.view_queuedticket": _AUDIT,
    "notifier.view_breaker": _AUDIT,
    "notifier.view_throttle": _AUDIT,
    "notifier.change_throttle": _NOBODY,
    "notifier.view_dailystats": _AUDIT,
    # --- Staff ---
    "auth.view_user": _AUDIT,
    "auth.add_user": _NOBODY,
    "auth.change_user": _NOBODY,
    "auth.delete_user": _NOBODY,
    "auth.view_group": _AUDIT,
    "auth.add_group": _NOBODY,
    "auth.change_group": _NOBODY,
    "auth.delete_group": _NOBODY,
    "notifier.view_profile": _AUDIT,
    "notifier.add_profile": _NOBODY,
    "notifier.change_profile": _NOBODY,
    "axes.view_accessattempt": _AUDIT,
    DELETE_ACCESSATTEMPT: _NOBODY,
    "axes.view_accesslog": _AUDIT,
}


def permissions_of(group: str) -> set[str]:
    """The permissions that the group begins with, each as `notifier.view_client`."""
    return {permission for permission, groups in RIGHTS.items() if group in groups}


def held_by(user: User) -> set[str]:
    """The user's own permissions and those of their groups, each as `notifier.view_client`.

    Whether they may log in makes no difference, while Django says that somebody deactivated has none: whoever could
    let them in again would get the rights. A superuser's are not counted up.
    """
    given = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return {f"{app}.{codename}" for app, codename in given.values_list("content_type__app_label", "codename")}


def make_groups(*, apps: Apps, using: str = "default", names: Iterable[str] = GROUPS) -> list[str]:
    """Makes those of the groups that are missing; returns their names. One that is there is left as staff made it.

    `apps` may be a migration's. A permission that its database does not have yet is passed over: the migration that
    brings it gives it.
    """
    ids = _ids(apps, using)
    made = []
    for name in names:
        group, is_new = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=name)
        if is_new:
            group.permissions.add(*(ids[permission] for permission in permissions_of(name) if permission in ids))
            made.append(name)
    return made


def give(*, apps: Apps, using: str, permissions: Iterable[str]) -> None:
    """Gives new permissions to those of the groups that begin with them and are still there under their names.

    Called by the migration that brings them, with its `apps`; it takes nothing from anybody.
    """
    ids = _ids(apps, using)
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=GROUPS):
        group.permissions.add(*(ids[one] for one in permissions if group.name in RIGHTS[one]))


def _ids(apps: Apps, using: str) -> dict[str, int]:
    found = apps.get_model("auth", "Permission").objects.using(using)
    rows = found.values_list("content_type__app_label", "codename", "pk")
    return {f"{app}.{codename}": pk for app, codename, pk in rows}
