"""Writing notifications."""

from notifier.models import Notification


def duplicate(*, notification: Notification) -> Notification:
    """A new notification with the same topic and texts, sent to nobody yet.

    The subject is the same too: clients read it, and "copy of" is not for them.
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
