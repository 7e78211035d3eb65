"""A test of a notification, to whoever writes it."""

import json
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import Settings

from notifier.consent import digests
from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from notifier.models import Broadcast, Channel, Delivery, Notification, Profile, Suppression
from notifier.notifications.test_sends import MAX_A_MINUTE
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_draft_pages import HTMX, a_draft, text_of
from tests.support.factories import a_client, a_notification, a_topic

pytestmark = pytest.mark.both_engines(only_full=True)


def url_of(channel: str) -> str:
    return reverse("admin:notifier_notification_test", args=[channel])


@pytest.fixture
def mailbox(settings: Settings, superuser: User) -> list[Any]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    User.objects.filter(pk=superuser.pk).update(email="root@example.com")
    mail.outbox = []
    return mail.outbox


def test_a_test_goes_to_its_writer_and_to_nobody_else(admin: Browser, mailbox: list[Any]) -> None:
    a_client(first_name="Ann", last_name="Example", listings="both")

    said = text_of(admin.post(url_of("email"), a_draft(), headers=HTMX))

    (sent,) = mailbox
    assert sent.to == ["root@example.com"]
    assert sent.subject == "[Test] Homes for Ann"
    assert sent.body.startswith("Dear Ann Example\n")
    assert "Dear <strong>Ann Example</strong>" in sent.alternatives[0][0]
    assert "The test e-mail is on its way to root@example.com, as Ann Example would read it." in said
    # Its links may be followed, and are nobody's: not those of whom it was written to look like.
    tokens = set(re.findall(r"/[up]/([^\s\"<>]+)", sent.body + sent.alternatives[0][0]))
    assert {signed_links.read_token(token) for token in tokens} == {Link(signed_links.NOBODY, a_topic().pk, 0)}
    assert f"/u/{tokens.pop()}>" in sent.extra_headers["List-Unsubscribe"]
    assert sent.extra_headers["List-Id"].startswith("<listings.")
    assert [model.objects.count() for model in (Notification, Broadcast, Delivery)] == [0, 0, 0]


def test_without_javascript_the_answer_is_a_page_for_the_frame(admin: Browser, mailbox: list[Any]) -> None:
    page = admin.post(url_of("email"), a_draft())

    assert "<!DOCTYPE html>" in text_of(page)
    assert "is on its way" in text_of(page)
    assert page["X-Frame-Options"] == "SAMEORIGIN"


def test_a_test_sms_goes_to_the_profiles_number(
    admin: Browser, superuser: User, settings: Settings, tmp_path: Any
) -> None:
    settings.SMS_URL = f"file://{tmp_path}/sms.log"
    settings.SMS_STOP_LINE = "Reply STOP to end"
    Profile.objects.create(user=superuser, phone="+12025550123")

    said = text_of(admin.post(url_of("sms"), a_draft()))

    assert "The test SMS is on its way to +1 202 555 0123" in said
    sent = json.loads((tmp_path / "sms.log").read_text())
    assert (sent["to"], sent["text"]) == ("+12025550123", "Hello Alex Example\nReply STOP to end")


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_without_an_own_address_it_is_said_where_to_set_it(admin: Browser, channel: str) -> None:
    said = text_of(admin.post(url_of(channel), a_draft()))

    assert "Nothing was sent: your account has no" in said
    assert f'Add it under <a href="{reverse("admin:account")}" target="_blank" rel="noopener">Your account</a>.' in said


@pytest.mark.parametrize("kept", ["root@example.com", ""], ids=["as it is", "as a digest"])
def test_no_test_goes_to_a_suppressed_address_that_somebody_calls_their_own(
    admin: Browser, superuser: User, mailbox: list[Any], kept: str
) -> None:
    address = kept or digests.digest(Channel.EMAIL, "root@example.com")
    Suppression.objects.create(channel="email", address=address, reason="STOP", source=Suppression.Source.CLIENT)
    User.objects.filter(pk=superuser.pk).update(email="Root@Example.com")

    said = text_of(admin.post(url_of("email"), a_draft()))

    assert "Nothing was sent: Root@Example.com is suppressed" in said
    assert mailbox == []
    # Nothing was asked for, so it counts for nothing.
    assert not LogEntry.objects.exists()


def test_a_suppressed_number_gets_no_test_and_another_channel_still_does(
    admin: Browser, superuser: User, mailbox: list[Any], settings: Settings, tmp_path: Any
) -> None:
    settings.SMS_URL = f"file://{tmp_path}/sms.log"
    Profile.objects.create(user=superuser, phone="+12025550123")
    Suppression.objects.create(channel="sms", address="+12025550123", reason="STOP")

    by_sms, by_mail = (text_of(admin.post(url_of(channel), a_draft())) for channel in ("sms", "email"))

    assert "+1 202 555 0123 is suppressed" in by_sms
    assert not (tmp_path / "sms.log").exists()
    assert "is on its way" in by_mail
    assert len(mailbox) == 1


def test_a_provider_that_is_away_is_told(admin: Browser, mailbox: list[Any], settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9

    said = text_of(admin.post(url_of("email"), a_draft()))

    assert "was not sent: the mail server can’t be used" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"email_body": "{{ nmae }}"}, "There is no placeholder"), ({"email_body": ""}, "there is no e-mail text yet")],
)
def test_what_could_not_be_saved_is_not_sent(
    admin: Browser, mailbox: list[Any], changes: dict[str, str], said: str
) -> None:
    page = text_of(admin.post(url_of("email"), a_draft(**changes)))

    assert "Nothing was sent" in page
    assert said in page
    assert mailbox == []


def test_too_many_tests_a_minute_are_refused(admin: Browser, mailbox: list[Any]) -> None:
    for _ in range(MAX_A_MINUTE):
        admin.post(url_of("email"), a_draft())

    said = text_of(admin.post(url_of("email"), a_draft()))

    assert len(mailbox) == MAX_A_MINUTE
    assert f"{MAX_A_MINUTE} tests per minute" in said


def a_colleague(username: str = "bob", **columns: Any) -> User:
    values = {"is_staff": True, "email": f"{username}@example.com", "first_name": username.capitalize()}
    return User.objects.create(username=username, **values | columns)


def test_a_test_goes_to_the_colleagues_who_were_ticked(admin: Browser, superuser: User, mailbox: list[Any]) -> None:
    bob, _ = a_colleague(), a_colleague("eve")

    said = text_of(admin.post(url_of("email"), a_draft() | {"test_to": [superuser.pk, bob.pk]}, headers=HTMX))

    assert [sent.to for sent in mailbox] == [["root@example.com"], ["bob@example.com"]]
    assert {sent.subject for sent in mailbox} == {"[Test] Homes for Alex"}
    for sent in mailbox:
        tokens = set(re.findall(r"/[up]/([^\s\"<>]+)", sent.body))
        assert {signed_links.read_token(token) for token in tokens} == {Link(signed_links.NOBODY, a_topic().pk, 0)}
    # Their addresses are not for everybody who writes.
    assert "is on its way to root@example.com and Bob, as" in said
    assert "bob@example.com" not in said
    assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == [
        "Asked for a test by e-mail.",
        "Asked for a test by e-mail to bob.",
    ]
    assert Delivery.objects.count() == 0


@pytest.mark.parametrize("columns", [{"is_active": False}, {"is_staff": False}, {"email": ""}])
def test_nobody_gets_a_test_but_members_of_staff_with_an_address(
    admin: Browser, superuser: User, mailbox: list[Any], columns: dict[str, Any]
) -> None:
    somebody = a_colleague(**columns)

    admin.post(url_of("email"), a_draft() | {"test_to": [somebody.pk]})

    assert [sent.to for sent in mailbox] == [["root@example.com"]]
    form = admin.get(reverse("admin:notifier_notification_add")).content.decode()
    assert f'name="test_to" value="{somebody.pk}"' not in " ".join(form.split())


def test_no_test_goes_to_a_suppressed_colleague_nor_to_the_others_with_them(
    admin: Browser, superuser: User, mailbox: list[Any]
) -> None:
    bob = a_colleague()
    Suppression.objects.create(channel="email", address="bob@example.com", reason="STOP")

    said = text_of(admin.post(url_of("email"), a_draft() | {"test_to": [superuser.pk, bob.pk]}))

    assert "Bob’s e-mail address is suppressed, so tests can’t be sent to it." in said
    assert mailbox == []


def test_a_colleague_without_a_number_is_told_before_anything_is_sent(admin: Browser, superuser: User) -> None:
    Profile.objects.create(user=superuser, phone="+12025550123")
    bob = a_colleague()

    said = text_of(admin.post(url_of("sms"), a_draft() | {"test_to": [superuser.pk, bob.pk]}))

    assert "Nothing was sent: Bob has no phone number." in said
    assert not LogEntry.objects.exists()


def test_each_of_several_counts_against_the_tests_of_a_minute(
    admin: Browser, superuser: User, mailbox: list[Any]
) -> None:
    to = [a_colleague(f"bob{number}").pk for number in range(MAX_A_MINUTE + 1)]

    said = text_of(admin.post(url_of("email"), a_draft() | {"test_to": to}))

    assert f"you can send up to {MAX_A_MINUTE} tests per minute" in said
    assert mailbox == []


def test_a_sender_tests_what_is_saved_and_nothing_else(staff: LogIn, mailbox: list[Any]) -> None:
    notification = a_notification(subject="As it is saved")
    browser, bob = staff("notifier.view_notification", "notifier.send_broadcast"), a_colleague()
    page = browser.get(reverse("admin:notifier_notification_change", args=[notification.pk])).content.decode()

    said = text_of(browser.post(url_of("email"), a_draft() | {"notification": notification.pk, "test_to": [bob.pk]}))

    assert 'id="test-email"' in page
    assert "is on its way to Bob" in said
    assert [sent.subject for sent in mailbox] == ["[Test] As it is saved"]
    assert browser.post(url_of("email"), {"notification": "4711"}).status_code == 404
    assert (
        staff("notifier.view_notification").post(url_of("email"), {"notification": notification.pk}).status_code == 403
    )


def test_a_test_needs_the_right_to_change(staff: LogIn, mailbox: list[Any]) -> None:
    browser = staff("notifier.view_notification", "notifier.add_notification", "notifier.send_broadcast")

    assert browser.post(url_of("email"), a_draft()).status_code == 403
    assert staff("notifier.change_notification").get(url_of("email")).status_code == 405
    assert staff("notifier.change_notification").post(url_of("pigeon"), a_draft()).status_code == 404
    assert mailbox == []
