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

#: Those that more than one module asks for.
SEND_BROADCAST = "notifier.send_broadcast"
CONTROL_BROADCAST = "notifier.control_broadcast"
SEND_CRITICAL = "notifier.send_critical"
RESOLVE_DELIVERY = "notifier.resolve_delivery"
IMPORT_CLIENT = "notifier.import_client"
RESUBSCRIBE_CLIENT = "notifier.resubscribe_client"

#: Every permission that a page asks for, and the groups that have it.
RIGHTS: dict[str, frozenset[str]] = {
    # --- Clients, and what they agreed to hear ---
    "notifier.view_client": _ALL,
    "notifier.add_client": _EDIT,
    "notifier.change_client": _EDIT,
    "notifier.delete_client": _NOBODY,
    "notifier.view_preference": _ALL,
    "notifier.add_preference": _EDIT,
    "notifier.change_preference": _EDIT,
    "notifier.view_consentchange": _ALL,
    "notifier.view_historicalclient": _ALL,
    RESUBSCRIBE_CLIENT: _NOBODY,
    IMPORT_CLIENT: _EDIT,
    "notifier.view_clientimport": _EDIT | _AUDIT,
    "notifier.export_client": _NOBODY,
    "notifier.erase_client": _NOBODY,
    "notifier.view_topic": _ALL,
    "notifier.add_topic": _EDIT,
    "notifier.change_topic": _EDIT,
    "notifier.delete_topic": _NOBODY,
    "notifier.view_suppression": _ALL,
    "notifier.add_suppression": _EDIT,
    "notifier.change_suppression": _NOBODY,
    "notifier.delete_suppression": _NOBODY,
    "notifier.lift_suppression": _EDIT,
    "notifier.lift_refusal": _NOBODY,
    "notifier.view_suppressionchange": _ALL,
    "notifier.view_erasedaddress": _AUDIT,
    "notifier.view_providerevent": _ALL,
    "notifier.view_inboundmessage": _ALL,
    "notifier.change_inboundmessage": _EDIT | _SEND,
    # --- What is written, and what is sent ---
    "notifier.view_notification": _ALL,
    "notifier.add_notification": _EDIT,
    "notifier.change_notification": _EDIT,
    "notifier.delete_notification": _EDIT,
    "notifier.view_historicalnotification": _ALL,
    "notifier.view_broadcast": _ALL,
    SEND_BROADCAST: _SEND,
    CONTROL_BROADCAST: _SEND | _APPROVE,
    "notifier.approve_broadcast": _APPROVE,
    SEND_CRITICAL: _NOBODY,
    "notifier.view_delivery": _ALL,
    RESOLVE_DELIVERY: _SEND,
    "notifier.export_delivery": _SEND,
    "notifier.view_resolution": _ALL,
    "notifier.view_resolveddelivery": _AUDIT,
    # --- The machinery ---
    "notifier.view_process": _SEND | _AUDIT,
    "notifier.view_queuedticket": _SEND | _AUDIT,
    "notifier.view_breaker": _AUDIT,
    "notifier.view_throttle": _SEND | _AUDIT,
    "notifier.change_throttle": _SEND,
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
    "axes.delete_accessattempt": _NOBODY,
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
    ids = {
        f"{app}.{codename}": pk
        for app, codename, pk in apps.get_model("auth", "Permission")
        .objects.using(using)
        .values_list("content_type__app_label", "codename", "pk")
    }
    made = []
    for name in names:
        group, is_new = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=name)
        if is_new:
            group.permissions.add(*(ids[permission] for permission in permissions_of(name) if permission in ids))
            made.append(name)
    return made
