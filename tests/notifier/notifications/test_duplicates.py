import pytest

from notifier.models import Notification
from notifier.notifications import duplicates
from tests.support.factories import a_broadcast, a_notification, a_topic

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_a_copy_says_the_same_and_was_sent_to_nobody() -> None:
    original = a_notification(
        topic=a_topic(slug="offerings"), subject="Homes", preheader="Near you", email_body="Dear you", sms_body="Hi"
    )
    a_broadcast(notification=original)

    copy = duplicates.duplicate(notification=original)

    fresh = Notification.objects.get(pk=copy.pk)
    assert copy.pk != original.pk
    assert (fresh.topic, fresh.subject, fresh.preheader, fresh.email_body, fresh.sms_body) == (
        original.topic,
        "Homes",
        "Near you",
        "Dear you",
        "Hi",
    )
    assert not fresh.broadcasts.exists()
    assert fresh.history.get().history_change_reason == f"Duplicated from notification {original.pk}."
