"""Test messages: staff send one to themselves, through the real backends, before any client gets it."""

import logging
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils.module_loading import import_string

from notifier.messages.outgoing import Outgoing
from notifier.models import Channel, Notification

logger = logging.getLogger(__name__)

#: A test has one reader, who needs no more than these.
MAX_A_MINUTE = 5
_NOTE = "Asked for a test by "


class TooMany(Exception):
    """This member of staff asked for MAX_A_MINUTE tests within the last minute."""


def new_reference() -> str:
    """Of a test message. No delivery has one like it, and so none has its Message-ID."""
    return f"test.{uuid.uuid4().hex}"


def marked(subject: str) -> str:
    """The subject of a test message, so that nobody takes it for what clients get."""
    return f"[Test] {subject}"


def book(*, notification_id: int | None, subject: str, channel: Channel, by: User, now: datetime) -> None:
    """Record that somebody asks for a test message; raises `TooMany` instead where they asked too often."""
    with transaction.atomic():
        # Locked, so that requests at the same moment count each other.
        User.objects.select_for_update().get(pk=by.pk)
        lately = LogEntry.objects.filter(
            user=by, action_flag=CHANGE, action_time__gt=now - timedelta(minutes=1), change_message__startswith=_NOTE
        )
        if lately.count() >= MAX_A_MINUTE:
            raise TooMany
        LogEntry.objects.create(
            user=by,
            content_type=ContentType.objects.get_for_model(Notification),
            object_id=str(notification_id) if notification_id else None,
            object_repr=subject[:200],
            action_flag=CHANGE,
            change_message=f"{_NOTE}{channel.in_words}.",
            action_time=now,
        )


def send(*, message: Outgoing, channel: Channel) -> str:
    """Send it; returns "", or the backend's text about what is wrong, without the address."""
    try:
        backend = import_string(settings.SEND_BACKENDS[channel.value])()
        backend.send(message)
    except import_string(settings.SEND_FAILURE) as failure:
        return str(failure)
    except Exception as error:
        logger.exception("A test failed in a way that the backend does not know.")
        return f"the send backend failed: {type(error).__name__}"
    try:
        backend.close()
    except Exception:
        logger.exception("A provider’s connection did not close.")
    return ""
