"""Importing this registers every page of the back office with the site, and none besides.

The URLs import it, not the start of the program: what sends needs no page.
"""

from notifier.admin.appearance import brand_admin, picture_admin
from notifier.admin.audiences import audience_admin
from notifier.admin.broadcasts import broadcast_admin
from notifier.admin.clients import client_admin
from notifier.admin.consent import sms_replies, suppressions
from notifier.admin.deliveries import delivery_admin, resolution_admin
from notifier.admin.fields import field_admin, tag_admin
from notifier.admin.imports import import_admin
from notifier.admin.notifications import notification_admin, topics
from notifier.admin.operations import processes, throttles
from notifier.admin.staff import logins, users

__all__ = [
    "audience_admin",
    "brand_admin",
    "broadcast_admin",
    "client_admin",
    "delivery_admin",
    "field_admin",
    "import_admin",
    "logins",
    "notification_admin",
    "picture_admin",
    "processes",
    "resolution_admin",
    "sms_replies",
    "suppressions",
    "tag_admin",
    "throttles",
    "topics",
    "users",
]
