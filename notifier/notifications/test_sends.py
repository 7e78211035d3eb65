"""Test messages: staff send one to themselves or colleagues, through the real backends, before any client gets it."""

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from notifier.messages.outgoing import Outgoing
from notifier.models import Channel, Notification, Profile

logger = logging.getLogger(__name__)

#: A test has one reader, who needs no more than these.
MAX_A_MINUTE = 5
_NOTE = "Asked for a test by "


class TooMany(Exception):
    """It would be more than MAX_A_MINUTE tests that this member of staff asked for within a minute."""


def recipients() -> QuerySet[User]:
    """Who may get a test: members of staff who may log in and have an address, by name."""
    has_address = ~Q(email="") | Q(profile__phone__isnull=False)
    staff = User.objects.filter(has_address, is_active=True, is_staff=True)
    return staff.select_related("profile").order_by("first_name", "last_name", "username")


def address_of(*, user: User, channel: Channel) -> str:
    """Where a test to this member of staff goes; empty where they have no such address."""
    if channel == Channel.EMAIL:
        return user.email
    return str(Profile.objects.filter(user=user).values_list("phone", flat=True).first() or "")


def new_reference() -> str:
    """Of a test message. No delivery has one like it, and so none has its Message-ID."""
    return f"test.{uuid.uuid4().hex}"


def marked(subject: str) -> str:
    """The subject of a test message, so that nobody takes it for what clients get."""
    return f"[Test] {subject}"


def book(
    *, notification_id: int | None, subject: str, channel: Channel, by: User, now: datetime, to: Sequence[User] = ()
) -> None:
    """Record that somebody asks for a test message to each of these, or to themselves; raises `TooMany` instead."""
    asked = [f"{_NOTE}{channel.in_words}{'' if user == by else f' to {user.get_username()}'}." for user in to or [by]]
    with transaction.atomic():
        # Locked, so that requests at the same moment count each other.
        User.objects.select_for_update().get(pk=by.pk)
        lately = LogEntry.objects.filter(
            user=by, action_flag=CHANGE, action_time__gt=now - timedelta(minutes=1), change_message__startswith=_NOTE
        )
        if lately.count() + len(asked) > MAX_A_MINUTE:
            raise TooMany
        LogEntry.objects.bulk_create(
            LogEntry(
                user=by,
                content_type=ContentType.objects.get_for_model(Notification),
                object_id=str(notification_id) if notification_id else None,
                object_repr=subject[:200],
                action_flag=CHANGE,
                change_message=words,
                action_time=now,
            )
            for words in asked
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
