"""Pausing, resuming and cancelling, and the page that asks before a broadcast is cancelled."""

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast
from tests.notifier.admin.broadcasts.acts.test_approve import waiting
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast, act_url, page_of, poll, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_user

pytestmark = pytest.mark.both_engines(only_full=True)

APPROVE, CONTROL, VIEW = "notifier.approve_broadcast", "notifier.control_broadcast", "notifier.view_broadcast"
State = Broadcast.State


# --- Approving --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", Broadcast.BEFORE_START)
def test_cancelling_what_has_not_started_speaks_of_no_numbers(staff: LogIn, state: Broadcast.State) -> None:
    broadcast = waiting(created_by=a_user(), state=state)

    page = text_of(staff(VIEW, CONTROL).get(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "cancel"])))

    assert "It has not started. Nothing has been sent." in page
    assert ">Cancel the broadcast</button>" in page
    assert "have not gone out yet" not in page


# --- Acts -------------------------------------------------------------------------------------------------------------
def test_cancelling_asks_with_the_numbers(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    text = text_of(admin.get(act_url(broadcast, "cancel")))

    assert "1,165 of 1,980 have been sent. 800 have not been sent yet." in text
    broadcast.refresh_from_db()
    assert broadcast.state == State.RUNNING


# --- The wall, and what is said aloud ---------------------------------------------------------------------------------
@pytest.mark.both_engines
def test_cancelling_says_how_many_never_will_be_sent(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    progress = text_of(admin.get(page_of(broadcast)))
    asked = text_of(admin.get(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "cancel"])))

    assert 'Stop sending to the remaining <span id="number-cancel">800</span>…' in progress
    assert "Stop sending to the remaining 800" in asked


@pytest.mark.both_engines
def test_cancelling_names_no_number_before_everybody_was_looked_at(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    Broadcast.objects.update(cursor=10, audience_upto=100)

    progress = text_of(admin.get(page_of(broadcast)))
    asked = text_of(admin.get(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "cancel"])))

    assert "> Cancel… <" in progress
    assert 'id="number-cancel"' not in progress
    # What is polled brings the whole button once there is a number, for a number alone would find no place.
    before = admin.get(page_of(broadcast)).context["controls"]
    assert 'id="number-cancel"' not in text_of(poll(admin, broadcast, controls=before))
    Broadcast.objects.update(cursor=100)
    after = text_of(poll(admin, broadcast, controls=before))
    assert 'id="act-cancel"' in after
    assert 'id="number-cancel"' in after
    assert "How many are left is not known yet: only 10% of clients have been checked." in asked
    assert "Cancel the broadcast" in asked


@pytest.mark.parametrize("state", [State.FINISHED, State.CANCELLED, State.REJECTED])
def test_what_has_ended_is_not_asked_about(admin: Browser, state: Broadcast.State) -> None:
    broadcast = a_broadcast(state=state, finished_at=timezone.now())

    answer = admin.get(act_url(broadcast, "cancel"), follow=True)

    assert answer.redirect_chain == [(reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]), 302)]
    assert "you can’t cancel it now" in text_of(answer)
