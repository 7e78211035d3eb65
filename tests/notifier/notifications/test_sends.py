from datetime import datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from pytest_django import Settings

from consumers.backends.base import Outgoing
from notifier.models import Channel, Delivery
from notifier.notifications import test_sends
from notifier.notifications.test_sends import MAX_A_MINUTE, TooMany
from tests.support.factories import a_notification, a_user
from tests.support.fakes.smtp import FakeSmtp

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


class FaultyBackend:
    longest_send_seconds = 1.0

    def send(self, message: Outgoing) -> str:
        raise RuntimeError("ann@example.com")

    def close(self) -> None: ...


class StubbornBackend(FaultyBackend):
    """Sends, and can't be closed."""

    def send(self, message: Outgoing) -> str:
        return ""

    def close(self) -> None:
        raise RuntimeError


def a_test(**columns: str) -> Outgoing:
    return Outgoing(reference=test_sends.new_reference(), **columns)


def book(by: object, now: datetime) -> None:
    test_sends.book(notification_id=None, subject="Homes", channel=Channel.EMAIL, by=by, now=now)  # type: ignore[arg-type]


def test_so_many_tests_a_minute_and_person_are_the_most(now: datetime) -> None:
    ann, bob = a_user(), a_user()
    for _ in range(MAX_A_MINUTE):
        book(ann, now)

    with pytest.raises(TooMany):
        book(ann, now + timedelta(seconds=59))
    book(bob, now)
    book(ann, now + timedelta(seconds=61))


def test_who_asked_for_a_test_is_written_down(now: datetime) -> None:
    user, notification = a_user(), a_notification()

    test_sends.book(notification_id=notification.pk, subject="Homes", channel=Channel.SMS, by=user, now=now)

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.action_time) == (user, str(notification.pk), now)
    assert entry.change_message == "Asked for a test by SMS."


def test_a_test_goes_through_the_backend_of_the_channel(fake_smtp: FakeSmtp, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", fake_smtp.port

    said = [
        test_sends.send(
            message=a_test(address="me@example.com", subject="[Test] Homes", body="Hello", html="<p>Hello</p>"),
            channel=Channel.EMAIL,
        )
        for _ in range(2)
    ]

    first, second = fake_smtp.accepted()
    assert said == ["", ""]
    assert (first["recipient"], first["subject"]) == ("me@example.com", "[Test] Homes")
    assert "multipart/alternative" in first["raw"]
    assert first["message_id"].startswith("<test.")
    assert first["message_id"] != second["message_id"]


def test_no_delivery_comes_of_a_test(settings: Settings, db: None) -> None:
    test_sends.send(message=a_test(address="me@example.com", subject="s", body="b"), channel=Channel.EMAIL)

    assert not Delivery.objects.exists()


def test_what_the_backend_says_is_handed_on(settings: Settings, db: None) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9

    said = test_sends.send(message=a_test(address="me@example.com", subject="s", body="b"), channel=Channel.EMAIL)

    assert said.startswith("the mail server can’t be used")


@pytest.mark.parametrize(
    ("backend", "expected"), [("FaultyBackend", "the send backend failed: RuntimeError"), ("StubbornBackend", "")]
)
def test_a_fault_of_the_backend_is_told_without_the_address(
    settings: Settings, db: None, backend: str, expected: str
) -> None:
    settings.SEND_BACKENDS = {"email": f"{__name__}.{backend}"}

    said = test_sends.send(message=a_test(address="ann@example.com", subject="s", body="b"), channel=Channel.EMAIL)

    assert said == expected
