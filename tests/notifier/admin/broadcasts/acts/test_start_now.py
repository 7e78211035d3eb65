"""Starting a scheduled broadcast before its time."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast
from tests.notifier.admin.broadcasts.acts.test_approve import fresh, page_of, waiting
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import text_of
from tests.support.factories import a_client
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

APPROVE, CONTROL, VIEW = "notifier.approve_broadcast", "notifier.control_broadcast", "notifier.view_broadcast"
HOUR = timedelta(hours=1)
SEND = "notifier.send_broadcast"
State = Broadcast.State


def test_start_now_is_an_act_like_the_others(staff: LogIn) -> None:
    broadcast = waiting(state=State.SCHEDULED, needs_approval=False, scheduled_for=timezone.now() + HOUR)
    url = reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "start-now"])

    assert staff(VIEW, SEND).post(url).status_code == 403
    agree_to(staff(VIEW, CONTROL), url)

    assert fresh(broadcast).state == State.RUNNING


def test_starting_before_its_time_asks_first_with_how_many_it_goes_to(admin: Browser) -> None:
    a_client(listings="email")
    broadcast = waiting(state=State.SCHEDULED, needs_approval=False, scheduled_for=timezone.now() + HOUR)
    url = reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "start-now"])

    page = text_of(admin.get(url))

    assert "Start now and send 1 e-mail" in page
    assert "Start now and send 1 e-mail" in text_of(admin.get(page_of(broadcast, "schedule")))
    assert fresh(broadcast).state == State.SCHEDULED
    agree_to(admin, url)
    assert admin.get(url, follow=True).redirect_chain[0][0] == page_of(broadcast, "progress")


def test_what_a_second_person_has_a_say_in_is_not_offered_to_start_at_once(admin: Browser) -> None:
    broadcast = waiting(state=State.SCHEDULED, scheduled_for=timezone.now() + HOUR)

    assert 'id="act-start-now"' not in text_of(admin.get(page_of(broadcast, "progress")))
