"""Copying a notification."""

from notifier.models import Notification


def duplicate(*, notification: Notification) -> Notification:
    """A new notification with the same topic and texts, sent to nobody yet.

    The subject stays as it is, without "copy of", because clients read it.
    """
    copy = Notification(
        topic=notification.topic,
        subject=notification.subject,
        email_body=notification.email_body,
        sms_body=notification.sms_body,
    )
    copy._change_reason = f"Duplicated from notification {notification.pk}."  # type: ignore[attr-defined]
    copy.save()
    return copy
