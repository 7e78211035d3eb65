"""The e-mail as a page for a frame: what it shows, to whom, and what it may do."""

import re

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.messages import signed_links
from notifier.models import Notification
from notifier.templatetags.backoffice import email_height
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import text_of
from tests.support.factories import a_broadcast, a_client, a_notification

pytestmark = pytest.mark.both_engines(only_full=True)

SEND, APPROVE, VIEW = "notifier.send_broadcast", "notifier.approve_broadcast", "notifier.view_broadcast"


def preview_url(row: object) -> str:
    return reverse(f"admin:notifier_{type(row).__name__.lower()}_email_preview", args=[row.pk])  # type: ignore[attr-defined]


def test_the_confirm_page_frames_the_mail_as_a_client_reads_it(admin: Browser) -> None:
    a_client(name="Ann <Example>", listings="both")
    notification = a_notification(email_body="Dear {{ name }}, this is **bold**")

    page = text_of(admin.get(reverse("admin:notifier_notification_broadcast"), {"ids": notification.pk}))
    preview = text_of(admin.get(preview_url(notification)))

    assert f'src="{preview_url(notification)}"' in page
    assert "**" not in page
    assert "Dear Ann &lt;Example&gt;, this is bold" in page
    assert "Dear Ann &lt;Example&gt;, this is <strong>bold</strong>" in preview
    # Whoever may read it may follow its links, and decides nothing for the client by them.
    tokens = re.findall(r'href="[^"]*/[up]/([^"]*)"', preview)
    assert [signed_links.read_token(token).is_test_message for token in tokens] == [True, True]


def test_a_broadcasts_is_the_text_that_it_froze(admin: Browser) -> None:
    broadcast = a_broadcast(notification=a_notification(email_body="as it was"))
    Notification.objects.update(email_body="edited")

    page = text_of(admin.get(preview_url(broadcast)))

    assert "as it was" in page
    assert "edited" not in page


def test_the_approver_is_shown_the_broadcasts_and_not_the_notifications(staff: LogIn) -> None:
    broadcast = a_broadcast(state="AWAITING_APPROVAL", needs_approval=True, started_at=None, audience_upto=0)

    page = text_of(staff(VIEW, APPROVE).get(reverse("admin:notifier_broadcast_approve", args=[broadcast.pk])))

    assert f'src="{preview_url(broadcast)}"' in page


def test_it_runs_nothing_and_only_our_own_pages_frame_it(admin: Browser) -> None:
    response = admin.get(preview_url(a_broadcast()))

    assert response["X-Frame-Options"] == "SAMEORIGIN"
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "allow-scripts" not in policy


def test_who_may_only_watch_a_broadcast_reads_no_clients_name(staff: LogIn) -> None:
    a_client(name="Ann Example", listings="both")
    broadcast = a_broadcast(notification=a_notification(email_body="Dear {{ name }}"))

    assert "Dear Alex Example" in text_of(staff(VIEW).get(preview_url(broadcast)))
    assert "Dear Ann Example" in text_of(staff(VIEW, APPROVE).get(preview_url(broadcast)))


def test_it_takes_the_right_of_the_page_that_frames_it(staff: LogIn) -> None:
    notification, broadcast = a_notification(), a_broadcast()

    assert staff(VIEW).get(preview_url(notification)).status_code == 403
    assert staff(SEND).get(preview_url(broadcast)).status_code == 403
    assert staff(SEND).get(preview_url(notification)).status_code == 200


def test_what_has_no_mail_has_no_such_page(admin: Browser) -> None:
    notification = a_notification(email_body="", sms_body="only this")

    assert admin.get(preview_url(notification)).status_code == 404


def test_the_frame_of_an_e_mail_is_about_as_high_as_its_text() -> None:
    heights = [email_height(text) for text in ("", "a line\n" * 12, "a line\n" * 400, "w" * 5000)]

    assert heights == [240, 460, 900, 900]
    assert email_height("word " * 200) > email_height("word " * 100)
    links = "".join(f"Leave: https://example.com/u/{'x' * 200}\n" for _ in range(10))
    assert email_height(links) == email_height("Leave: here\n" * 10)
