"""Sending again what failed of a broadcast."""

import uuid
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from notifier.delivery import claims
from notifier.models import Broadcast, Channel, Delivery, Preference, Resolution, Suppression
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast, act_url, page_of, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_delivery
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

VIEW, CONTROL = "notifier.view_broadcast", "notifier.control_broadcast"
State = Broadcast.State
WHY = {"why": "the mailbox is back"}


def test_nothing_is_offered_to_be_sent_again_where_nothing_is_left(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    a_delivery(broadcast=broadcast, state="SENT")

    asked = text_of(admin.get(act_url(broadcast, "retry")))

    assert "This can’t be done: nothing is left to send again." in asked
    assert 'id="do-it"' not in asked
    assert 'name="why"' not in asked


def test_a_retry_of_nothing_says_so_and_leaves_the_broadcast_finished(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)

    page = agree_to(admin, act_url(broadcast, "retry"), follow=True, **WHY)

    assert "Nothing was changed. None of these is unknown, failed or skipped now" in text_of(page)
    broadcast.refresh_from_db()
    assert broadcast.state == State.FINISHED


def test_a_retry_asks_first_takes_what_failed_and_keeps_who_and_why(admin: Browser, superuser: Any) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    rows = {state: a_delivery(broadcast=broadcast, state=state) for state in ("FAILED", "UNKNOWN", "SKIPPED")}
    foreign = a_delivery(state="FAILED")

    asked = admin.get(act_url(broadcast, "retry"))
    page = agree_to(admin, act_url(broadcast, "retry"), follow=True, **WHY)

    # As it is, and not as the last tally had it.
    assert "Counted just now: 1 failed, and 1 can be sent again." in text_of(asked)
    assert ">Send 1 again</button>" in text_of(asked)
    assert "To be sent again: 1 message." in text_of(page)
    assert {before for before, row in rows.items() if Delivery.objects.get(pk=row.pk).state != before} == {"FAILED"}
    assert Delivery.objects.get(pk=foreign.pk).state == "FAILED"
    (resolution,) = Resolution.objects.all()
    assert (resolution.by, resolution.why, resolution.action) == (superuser, "the mailbox is back", "SENT_AGAIN")


@pytest.mark.parametrize("why", [{}, {"why": ""}, {"why": "  "}, {"why": "x" * 301}])
def test_a_retry_without_a_reason_asks_again_and_changes_nothing(admin: Browser, why: dict[str, str]) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    row = a_delivery(broadcast=broadcast, state="FAILED")

    page = agree_to(admin, act_url(broadcast, "retry"), **why)

    assert page.status_code == 200
    assert "errorlist" in text_of(page)
    row.refresh_from_db()
    assert row.state == "FAILED"


def test_the_number_is_what_then_goes_out_and_those_who_would_be_skipped_are_named(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    rows = [a_delivery(broadcast=broadcast, state="FAILED") for _ in range(5)]
    for row in rows[:2]:
        Suppression.objects.create(channel="email", address=row.address, reason="bounced", source="BOUNCE")

    asked = text_of(admin.get(act_url(broadcast, "retry")))
    answer = text_of(agree_to(admin, act_url(broadcast, "retry"), follow=True, **WHY))

    assert "5 failed, and 3 can be sent again." in asked
    assert "2 would be skipped: address suppressed (2)." in asked
    assert ">Send 3 again</button>" in asked
    assert "To be sent again: 3 messages. 2 more will be skipped: address suppressed (2)." in answer
    taken = claims.claim(
        broadcast_id=broadcast.pk,
        channel=Channel.EMAIL,
        delivery_ids=[row.pk for row in rows],
        token=uuid.uuid4(),
        now=timezone.now(),
    )
    assert len(taken.messages) == 3


def test_where_all_would_be_skipped_nothing_is_offered(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    Preference.objects.filter(client=a_delivery(broadcast=broadcast, state="FAILED").client).delete()

    asked = text_of(admin.get(act_url(broadcast, "retry")))

    assert "This can’t be done: all 1 would be skipped: consent withdrawn after sending began (1)." in asked
    assert 'id="do-it"' not in asked


def test_a_retry_of_a_paused_broadcast_says_that_it_must_be_resumed_first(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.PAUSED)
    a_delivery(broadcast=broadcast, state="FAILED")

    page = agree_to(admin, act_url(broadcast, "retry"), follow=True, **WHY)

    assert "Nothing was changed. 1 in a paused broadcast (resume it first)." in text_of(page)
    assert Delivery.objects.get().state == "FAILED"


def test_an_expired_one_says_before_it_is_pressed_that_nothing_is_sent_again(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED, expires_at=timezone.now())
    row = a_delivery(broadcast=broadcast, state="FAILED")

    asked = text_of(admin.get(act_url(broadcast, "retry")))
    answer = text_of(agree_to(admin, act_url(broadcast, "retry"), follow=True, **WHY))

    assert "1 in an expired broadcast, which can’t send anything more." in asked
    assert 'id="do-it"' not in asked
    assert "Nothing was changed. 1 in an expired broadcast" in answer
    assert Delivery.objects.get().state == row.state


def test_who_may_stop_a_broadcast_does_not_send_what_failed_again(staff: LogIn) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    row = a_delivery(broadcast=broadcast, state="FAILED")
    approver = staff(VIEW, CONTROL)

    assert approver.get(act_url(broadcast, "retry")).status_code == 403
    assert agree_to(approver, act_url(broadcast, "retry"), **WHY).status_code == 403
    assert not approver.get(page_of(broadcast)).context["buttons"]
    assert Delivery.objects.get(pk=row.pk).state == "FAILED"


def test_what_is_unknown_is_sent_again_where_it_is_resolved_and_nowhere_else(admin: Browser) -> None:
    """That page asks for the tick that it may arrive twice."""
    broadcast = a_told_broadcast(state=State.FINISHED)
    row = a_delivery(broadcast=broadcast, state="UNKNOWN")

    for name in ("retry", "retry-unknown"):
        agree_to(admin, act_url(broadcast, name), **WHY)

    assert Delivery.objects.get(pk=row.pk).state == "UNKNOWN"


def test_nothing_to_retry_shows_no_button_for_it(admin: Browser) -> None:
    nothing = {"audience": 1, "rate": 0.0, "counts": {"email": {"SENT": 1}}}

    assert not admin.get(page_of(a_told_broadcast(state=State.FINISHED, tally=nothing))).context["buttons"]
