"""One more row of each model that the back office lists, each valid as it comes."""

import itertools
from collections.abc import Callable
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone

from notifier.models import Channel, ClientImport, Process, QueuedTicket, Resolution, Suppression, Throttle, Topic
from notifier.saved_audiences.document import Line
from tests.support.factories import (
    a_brand,
    a_broadcast,
    a_client,
    a_delivery,
    a_field,
    a_notification,
    a_picture,
    a_reply,
    a_saved_audience,
    a_tag,
    a_topic,
    a_user,
)

_numbers = itertools.count(1)


def a_group(**fields: Any) -> Group:
    return Group.objects.create(**{"name": f"group {next(_numbers)}"} | fields)


def an_attempt(**fields: Any) -> AccessAttempt:
    """A log-in that failed."""
    return AccessAttempt.objects.create(**{"username": f"name{next(_numbers)}", "failures_since_start": 1} | fields)


def a_log_in(**fields: Any) -> AccessLog:
    return AccessLog.objects.create(**{"username": f"name{next(_numbers)}"} | fields)


def an_import(**fields: Any) -> ClientImport:
    """One that was carried out."""
    values = {"file_name": "spring.csv", "state": "DONE", "counts": {"added": 3}, "content": b""}
    return ClientImport.objects.create(created_by=fields.pop("created_by", None) or a_user(), **values | fields)


def a_resolution(**fields: Any) -> Resolution:
    values = {"action": "MARKED_SENT", "at": timezone.now(), "why": "in their log"}
    return Resolution.objects.create(by=fields.pop("by", None) or a_user(), **values | fields)


def a_suppression(**fields: Any) -> Suppression:
    values = {"channel": Channel.EMAIL, "address": f"gone{next(_numbers)}@example.com", "reason": "asked us to"}
    return Suppression.objects.create(**values | fields)


def a_throttle(**fields: Any) -> Throttle:
    values = {"channel": Channel.SMS, "provider": f"sms{next(_numbers)}.example.com", "filled_at": timezone.now()}
    return Throttle.objects.create(**values | fields)


def a_ticket(**fields: Any) -> QueuedTicket:
    return QueuedTicket.objects.create(
        **{"channel": Channel.SMS, "body": b"{}", "available_at": timezone.now()} | fields
    )


def a_worker(**fields: Any) -> Process:
    now = timezone.now()
    values = {"kind": Process.Kind.DISPATCHER, "host": "here", "pid": 1, "started_at": now, "last_seen_at": now}
    return Process.objects.create(**values | fields)


def another_topic() -> Topic:
    return a_topic(slug=f"topic-{next(_numbers)}")


MAKE: dict[str, Callable[[], Model]] = {
    "auth_group": a_group,
    "auth_user": a_user,
    "axes_accessattempt": an_attempt,
    "axes_accesslog": a_log_in,
    "notifier_brand": a_brand,
    "notifier_broadcast": lambda: a_broadcast(created_by=a_user()),
    "notifier_client": lambda: a_client(listings="both", offerings="email"),
    "notifier_clientfield": a_field,
    "notifier_clientimport": an_import,
    "notifier_delivery": lambda: a_delivery(broadcast=a_broadcast()),
    "notifier_inboundmessage": lambda: a_reply(sender=str(a_client().phone)),
    "notifier_notification": lambda: a_broadcast(notification=a_notification()).notification,
    "notifier_picture": a_picture,
    "notifier_queuedticket": a_ticket,
    "notifier_resolution": a_resolution,
    "notifier_savedaudience": lambda: a_saved_audience(Line("time_zone", "known")),
    "notifier_suppression": a_suppression,
    "notifier_tag": a_tag,
    "notifier_throttle": a_throttle,
    "notifier_topic": another_topic,
    "notifier_process": a_worker,
}
