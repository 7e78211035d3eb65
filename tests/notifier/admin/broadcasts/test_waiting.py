"""What the pages say of a broadcast that has not begun."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.admin.broadcasts import offers
from notifier.admin.lists import deferred_counts
from notifier.models import Broadcast
from tests.notifier.admin.broadcasts.acts.test_approve import page_of, waiting
from tests.notifier.admin.broadcasts.test_progress_page import words_of
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import text_of
from tests.support.factories import a_client, a_user

pytestmark = pytest.mark.both_engines(only_full=True)

APPROVE, CONTROL, VIEW = "notifier.approve_broadcast", "notifier.control_broadcast", "notifier.view_broadcast"
HOUR = timedelta(hours=1)
State = Broadcast.State


def test_the_progress_page_says_what_it_waits_for_and_who_may(staff: LogIn) -> None:
    a_user(APPROVE, username="bob")
    broadcast = waiting(created_by=a_user(username="ann"), expires_at=timezone.now() + HOUR)

    page = text_of(staff(VIEW).get(page_of(broadcast, "progress")))

    assert "Awaiting approval by someone else" in page
    assert "ann, " in page
    assert "bob" in page
    assert "You don’t have permission to approve broadcasts. Ask one of the people named above." in page
    assert 'id="look-and-approve"' not in page
    assert "None" not in page


@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.SCHEDULED, State.REJECTED])
def test_before_its_start_the_page_counts_how_many_messages_it_would_be(
    admin: Browser, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for consent in ("email", "both"):
        a_client(listings=consent)
    a_client(listings="email", is_active=False)
    broadcast = waiting(state=state, scheduled_for=timezone.now() + HOUR)

    page = words_of(admin.get(page_of(broadcast, "progress")))

    assert "Audience Clients who agreed to Listings by e-mail and SMS Messages 2 e-mails and 1 SMS, " in page
    # A poll counts nobody, and leaves the number as it is.
    monkeypatch.setattr(offers, "of_broadcast", None)
    polled = text_of(admin.get(page_of(broadcast, "progress"), headers={"HX-Request": "true"}))
    assert '<dd id="messages-now" hx-preserve>' in polled


def test_among_very_many_clients_they_are_counted_after_the_page(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_client(listings="both")
    broadcast = waiting()
    monkeypatch.setattr(deferred_counts, "AT_ONCE", 0)
    address = page_of(broadcast, "progress")

    with monkeypatch.context() as patched:
        patched.setattr(offers, "of_broadcast", None)
        assert f'hx-get="{address}?counted=1"' in text_of(admin.get(address))

    for htmx in ({"HX-Request": "true"}, {}):
        counted = text_of(admin.get(f"{address}?counted=1", headers=htmx))
        assert '<dd id="messages-now"> 1 e-mail and 1 SMS, counted just now.' in counted


def test_what_should_have_started_says_when(admin: Browser) -> None:
    broadcast = waiting(state=State.SCHEDULED, scheduled_for=timezone.now().replace(year=2025, month=5, day=1))

    assert "Was due to start at 1 May 2025" in words_of(admin.get(page_of(broadcast, "progress")))


def test_whoever_may_approve_finds_the_way(staff: LogIn) -> None:
    broadcast = waiting(created_by=a_user())

    page = text_of(staff(VIEW, APPROVE).get(page_of(broadcast, "progress")))

    assert page_of(broadcast) in page
    assert "Awaiting your approval" in page


def test_the_progress_page_says_when_it_starts(admin: Browser) -> None:
    broadcast = waiting(
        state=State.SCHEDULED, needs_approval=False, scheduled_for=timezone.now() + 2 * HOUR + timedelta(minutes=1)
    )

    page = text_of(admin.get(page_of(broadcast, "progress")))

    assert "Starts at" in page
    assert "in 2 hours" in page
    assert 'id="act-start-now"' in page
    assert 'id="act-cancel"' in page


def test_an_expired_one_says_why_it_was_cancelled(admin: Browser) -> None:
    broadcast = waiting(state=State.CANCELLED, ended_because="expired on 1 Jan 2026, before it started")

    assert "Cancelled: expired on 1 Jan 2026, before it started." in text_of(admin.get(page_of(broadcast, "progress")))


def test_the_overview_and_the_list_show_what_is_to_come(admin: Browser) -> None:
    waiting(created_by=a_user(username="ann"), subject="Awaited")
    waiting(state=State.SCHEDULED, scheduled_for=timezone.now() + HOUR, subject="Timed")

    for page in (text_of(admin.get(reverse(f"admin:{name}"))) for name in ("index", "notifier_broadcast_changelist")):
        assert "Awaited" in page
        assert "Timed" in page
        assert "Awaiting approval" in page
        assert "Scheduled" in page


def test_without_javascript_a_progress_page_that_waits_reloads_itself(admin: Browser) -> None:
    page = text_of(admin.get(page_of(waiting(created_by=a_user()), "progress")))

    assert 'http-equiv="refresh"' in page
