"""The page that changes the time of a broadcast that has not begun."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone

from notifier.models import Broadcast
from tests.notifier.admin.broadcasts.acts.test_approve import fresh, page_of, waiting
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import text_of
from tests.support.factories import a_broadcast, a_user
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

APPROVE, CONTROL, VIEW = "notifier.approve_broadcast", "notifier.control_broadcast", "notifier.view_broadcast"
CRITICAL = "notifier.send_critical"
HOUR = timedelta(hours=1)
SEND = "notifier.send_broadcast"
State = Broadcast.State


# --- Another time -----------------------------------------------------------------------------------------------------
def test_the_time_is_changed_by_those_who_control_broadcasts(staff: LogIn) -> None:
    broadcast = waiting(state=State.SCHEDULED, needs_approval=False, scheduled_for=timezone.now() + HOUR)
    posted = {"when": "later", "scheduled_for": "2099-01-02T16:00", "expires_at": ""}

    assert staff(VIEW, APPROVE, SEND).post(page_of(broadcast, "schedule"), posted).status_code == 403
    page = agree_to(staff(VIEW, CONTROL), page_of(broadcast, "schedule"), follow=True, **posted)

    assert f"{fresh(broadcast).scheduled_for:%F %R}" == "2099-01-02 16:00"
    assert "Changed: it is scheduled for 2 Jan 2099, 16:00 UTC." in text_of(page)


def test_an_impossible_time_is_told_at_its_field(admin: Browser) -> None:
    broadcast = waiting(state=State.SCHEDULED, needs_approval=False, scheduled_for=timezone.now() + HOUR)

    page = admin.post(page_of(broadcast, "schedule"), {"when": "later", "scheduled_for": "2001-01-01T00:00"})

    assert "This time has passed." in text_of(page)


def test_what_has_begun_has_no_time_to_change(admin: Browser) -> None:
    broadcast = a_broadcast()

    assert admin.get(page_of(broadcast, "schedule"))["Location"] == page_of(broadcast, "progress")
    page = admin.post(page_of(broadcast, "schedule"), {"when": "now"}, follow=True)

    assert "you can’t reschedule it now." in text_of(page)


# --- Critical ---------------------------------------------------------------------------------------------------------
def test_a_tick_after_the_approval_asks_for_it_anew(staff: LogIn) -> None:
    later = timezone.now() + HOUR
    broadcast = waiting(state=State.SCHEDULED, scheduled_for=later, approved_by=a_user(), approved_at=timezone.now())
    posted = {"when": "later", "scheduled_for": later.strftime("%Y-%m-%dT%H:%M"), "is_critical": "on"}

    agree_to(staff(VIEW, CONTROL, CRITICAL), page_of(broadcast, "schedule"), **posted)

    assert (fresh(broadcast).state, broadcast.is_critical) == (State.AWAITING_APPROVAL, True)
    assert broadcast.approved_by is None


@pytest.mark.parametrize("is_critical", [True, False])
def test_who_may_not_send_critical_changes_the_time_alone(staff: LogIn, is_critical: bool) -> None:
    broadcast = waiting(
        state=State.SCHEDULED, needs_approval=False, scheduled_for=timezone.now() + HOUR, is_critical=is_critical
    )
    posted = {"when": "later", "scheduled_for": "2099-01-02T16:00"} | ({} if is_critical else {"is_critical": "on"})

    agree_to(staff(VIEW, CONTROL), page_of(broadcast, "schedule"), **posted)

    assert f"{fresh(broadcast).scheduled_for:%Y}" == "2099"
    assert broadcast.is_critical == is_critical
