"""Undo on the page of what was just sent, on the progress page, and back where it was sent from."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast, Notification
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import confirm_page, send, text_of
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_user

pytestmark = pytest.mark.both_engines(only_full=True)

State = Broadcast.State
SEND, VIEW, CONTROL = "notifier.send_broadcast", "notifier.view_broadcast", "notifier.control_broadcast"
APPROVE = "notifier.approve_broadcast"


@pytest.fixture(autouse=True)
def _ten_seconds(settings: LazySettings) -> None:
    settings.UNDO_SECONDS = 10
    a_client(listings="both")


def undo_url(*broadcasts: Broadcast) -> str:
    return f"{reverse('admin:notifier_broadcast_undo')}?ids={','.join(str(b.pk) for b in broadcasts)}"


def progress_url(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])


def just_sent(**fields: Any) -> Broadcast:
    until = timezone.now() + timedelta(seconds=10)
    return a_broadcast(state=State.SCHEDULED, started_at=None, scheduled_for=until, undo_until=until, **fields)


# --- After Send -------------------------------------------------------------------------------------------------------
def test_the_confirm_page_says_how_long_it_can_be_undone(admin: Browser, settings: LazySettings) -> None:
    page = confirm_page(a_notification())

    assert "It starts 10 seconds after you press the button, and until then you can undo it" in text_of(admin.get(page))

    settings.UNDO_SECONDS = 0
    assert "It starts immediately. You can pause or cancel it" in text_of(admin.get(page))


def test_the_progress_page_counts_down_and_can_undo(admin: Browser) -> None:
    response = send(admin, a_notification())
    broadcast = Broadcast.objects.get()
    assert response["Location"] == progress_url(broadcast)

    page = text_of(admin.get(progress_url(broadcast)))
    poll = text_of(admin.get(progress_url(broadcast), headers={"HX-Request": "true"}))

    for text in (page, poll):
        assert "Starts in 10 seconds" in text or "Starts in 9 seconds" in text
        assert "Nothing has been sent yet." in text
    assert f'action="{undo_url(broadcast)}"' in page
    assert "Change the time" not in page


def test_several_are_undone_together(admin: Browser) -> None:
    notifications = a_notification(), a_notification()
    response = send(admin, *notifications)
    broadcasts = list(Broadcast.objects.order_by("pk"))
    assert response["Location"] == undo_url(*broadcasts)
    assert "2 broadcasts just sent" in text_of(admin.get(undo_url(*broadcasts)))

    back = admin.post(undo_url(*broadcasts))

    assert back["Location"] == f"{confirm_page(*notifications)}&undone={broadcasts[0].pk}"
    assert set(Broadcast.objects.values_list("state", flat=True)) == {State.CANCELLED}
    assert "Undone: nothing was sent." in text_of(admin.get(back["Location"]))


def test_whoever_may_not_see_broadcasts_can_undo_their_own(staff: LogIn) -> None:
    browser = staff("notifier.view_notification", SEND)
    notification = a_notification()
    response = send(browser, notification)
    broadcast = Broadcast.objects.get()
    assert response["Location"] == undo_url(broadcast)
    assert "Open the list" not in text_of(browser.get(undo_url(broadcast)))

    back = browser.post(undo_url(broadcast))

    assert back["Location"] == f"{confirm_page(notification)}&undone={broadcast.pk}"


def test_the_page_polls_until_they_have_started(admin: Browser) -> None:
    broadcast = just_sent()
    first = admin.get(undo_url(broadcast), headers={"HX-Request": "true"})
    assert first.status_code == 200
    # The button is not sent anew with each second: a click must not fall between two polls.
    assert "undo-it" not in text_of(first)

    Broadcast.objects.update(state=State.RUNNING, started_at=timezone.now())
    last = admin.get(undo_url(broadcast), headers={"HX-Request": "true"})

    assert last.status_code == 286
    assert '<div id="undo" hx-swap-oob="innerHTML">' in text_of(last)
    assert "undo-it" not in text_of(last)


# --- Back, with what was chosen ---------------------------------------------------------------------------------------
def test_what_was_chosen_is_there_again(admin: Browser) -> None:
    notification = a_notification()
    send(admin, notification, expires_at="2099-01-02T18:00", is_critical="on")

    page = admin.get(admin.post(undo_url(Broadcast.objects.get()))["Location"])

    form = page.context["form"]
    assert f"{form['expires_at'].value():%Y-%m-%d %H:%M}" == "2099-01-02 18:00"
    assert form["is_critical"].value()
    assert 'value="2099-01-02T18:00"' in page.content.decode()


def test_what_somebody_else_had_chosen_is_not(admin: Browser) -> None:
    notification = a_notification()
    theirs = just_sent(notification=notification, created_by=a_user(), is_critical=True)

    page = admin.get(f"{confirm_page(notification)}&undone={theirs.pk}")

    assert not page.context["form"]["is_critical"].value()


def test_an_approval_that_was_undone_leads_back_to_the_decision(staff: LogIn) -> None:
    browser = staff(VIEW, APPROVE)
    broadcast = just_sent(needs_approval=True, approved_by=User.objects.latest("pk"), created_by=a_user())

    back = browser.post(undo_url(broadcast))

    assert back["Location"] == reverse("admin:notifier_broadcast_approve", args=[broadcast.pk])
    assert "Nothing has been sent" not in text_of(browser.get(back["Location"]))
    broadcast.refresh_from_db()
    assert broadcast.state == State.AWAITING_APPROVAL


def test_a_follow_up_that_was_undone_leads_back_to_whom_it_was_for(admin: Browser) -> None:
    ended = a_broadcast(state=State.FINISHED, finished_at=timezone.now())
    a_delivery(broadcast=ended, state="FAILED")
    follower = just_sent(notification=ended.notification, follows=ended)

    back = admin.post(undo_url(follower))

    assert back["Location"] == reverse("admin:notifier_broadcast_follow", args=[ended.pk])
    assert admin.get(back["Location"]).status_code == 200


# --- Too late, and not theirs -----------------------------------------------------------------------------------------
def test_too_late_it_says_so_and_leads_to_what_can_be_done_now(admin: Browser) -> None:
    broadcast = a_broadcast(subject="Homes")

    back = admin.post(undo_url(broadcast))

    assert back["Location"] == progress_url(broadcast)
    page = text_of(admin.get(back["Location"]))
    assert f"Too late. #{broadcast.pk} Homes is being sent: you can’t undo it now." in page
    assert 'id="act-pause"' in page


def test_of_several_some_may_have_started(admin: Browser) -> None:
    late, early = a_broadcast(), just_sent()

    page = text_of(admin.get(admin.post(undo_url(late, early))["Location"]))

    assert "1 broadcast undone: nothing was sent." in page
    assert "Too late." in page


@pytest.mark.parametrize("permissions", [(SEND,), (SEND, VIEW), (CONTROL,)])
def test_nobody_undoes_what_others_sent_without_the_right_to_stop_it(staff: LogIn, permissions: tuple[str]) -> None:
    broadcast = just_sent(created_by=a_user())
    browser = staff(*permissions)

    assert browser.get(undo_url(broadcast)).status_code == 403
    assert browser.post(undo_url(broadcast)).status_code == 403
    broadcast.refresh_from_db()
    assert broadcast.state == State.SCHEDULED


def test_whoever_may_stop_it_may_undo_it(staff: LogIn) -> None:
    broadcast = just_sent(created_by=a_user())
    browser = staff(VIEW, CONTROL)
    assert 'id="undo-it"' in text_of(browser.get(progress_url(broadcast)))

    back = browser.post(undo_url(broadcast))

    # They may not send, so the confirm page is not for them.
    assert back["Location"] == progress_url(broadcast)


def test_without_any_id_it_leads_to_the_list(admin: Browser) -> None:
    for query in ("", "?ids=", "?ids=x", "?ids=987654"):
        response = admin.get(f"{reverse('admin:notifier_broadcast_undo')}{query}")
        assert response["Location"] == reverse("admin:notifier_broadcast_changelist")


def test_paused_in_these_seconds_it_stays_where_it_is(admin: Browser) -> None:
    broadcast = just_sent()

    admin.post(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "pause"]))

    page = text_of(admin.get(progress_url(broadcast)))
    assert 'id="act-resume"' in page
    assert 'id="undo-it"' not in page
    assert Notification.objects.count() == 1
