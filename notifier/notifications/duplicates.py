"""Copies of notifications, to be changed and sent as new ones."""

from notifier.models import Notification


def duplicate(*, notification: Notification) -> Notification:
    """A new notification with the same topic and texts, sent to nobody yet.

    The subject stays as it is, without "copy of", because clients read it.
    """
    texts = {name: getattr(notification, name) for name in Notification.CONTENT}
    copy = Notification(topic=notification.topic, **texts)
    copy._change_reason = f"Duplicated from notification {notification.pk}."  # type: ignore[attr-defined]
    copy.save()
    return copy
