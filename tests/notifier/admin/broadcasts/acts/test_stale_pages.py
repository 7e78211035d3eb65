"""Pages that ask about a broadcast, opened before somebody changed it: they ask again."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.broadcasts import schedules
from notifier.broadcasts.send_options import SendOptions
from notifier.models import Broadcast, Delivery
from tests.notifier.admin.broadcasts.acts.test_approve import fresh, page_of, waiting
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast, act_url
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import confirm_page, text_of
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_user
from tests.support.forms import form_of

pytestmark = pytest.mark.both_engines

HOUR = timedelta(hours=1)
State = Broadcast.State


def opened(browser: Browser, address: str) -> dict[str, Any]:
    return form_of(browser.get(address).content.decode())


def scheduled(**fields: Any) -> Broadcast:
    values = {"state": State.SCHEDULED, "needs_approval": False, "scheduled_for": timezone.now() + HOUR}
    return waiting(**values | fields)


def changed_by_bob(broadcast: Broadcast, **options: Any) -> None:
    chosen = SendOptions(timezone.now() + 3 * HOUR, **options)
    schedules.reschedule(broadcast_id=broadcast.pk, options=chosen, now=timezone.now(), by=a_user(username="bob"))


def test_a_time_that_somebody_else_chose_is_not_overwritten_unseen(admin: Browser) -> None:
    broadcast = scheduled()
    form = opened(admin, page_of(broadcast, "schedule"))
    changed_by_bob(broadcast)
    before = fresh(broadcast).scheduled_for

    page = admin.post(page_of(broadcast, "schedule"), form | {"when": "later", "scheduled_for": "2099-01-02T16:00"})

    assert fresh(broadcast).scheduled_for == before
    text = text_of(page)
    assert (
        "Nothing was changed: bob has changed this broadcast since you opened the page. It is now scheduled for" in text
    )
    again = form_of(page.content.decode())
    assert again["scheduled_for"] == ["2099-01-02T16:00"]
    admin.post(page_of(broadcast, "schedule"), again)
    assert f"{fresh(broadcast).scheduled_for:%Y}" == "2099"


def test_what_is_critical_by_now_is_not_started_unseen(admin: Browser) -> None:
    broadcast = scheduled()
    form = opened(admin, act_url(broadcast, "start-now"))
    changed_by_bob(broadcast, is_critical=True)

    page = admin.post(act_url(broadcast, "start-now"), form, follow=True)

    assert fresh(broadcast).state == State.SCHEDULED
    assert "Nothing was done: this broadcast has changed since you opened the page." in text_of(page)
    admin.post(act_url(broadcast, "start-now"), opened(admin, act_url(broadcast, "start-now")))
    assert fresh(broadcast).state == State.RUNNING


@pytest.mark.parametrize("name", ["start-now", "schedule"])
def test_nothing_is_started_to_many_more_than_were_shown(admin: Browser, name: str) -> None:
    a_client(listings="email")
    broadcast = scheduled()
    url = page_of(broadcast, name) if name == "schedule" else act_url(broadcast, name)
    form = opened(admin, url) | ({"when": "now"} if name == "schedule" else {})
    a_client(listings="email")

    page = admin.post(url, form, follow=True)

    assert fresh(broadcast).state == State.SCHEDULED
    assert "and send 2 e-mails" in text_of(page)
    admin.post(url, opened(admin, url) | ({"when": "now"} if name == "schedule" else {}))
    assert fresh(broadcast).state == State.RUNNING


def test_nothing_is_sent_to_many_more_than_the_confirm_page_showed(admin: Browser) -> None:
    a_client(listings="email")
    url = confirm_page(a_notification())
    form = opened(admin, url)
    a_client(listings="email")

    page = admin.post(url, form)

    assert not Broadcast.objects.exists()
    assert "It would now be 2 messages. Check the number before you send them." in text_of(page)
    admin.post(url, form_of(page.content.decode()))
    assert Broadcast.objects.count() == 1


def test_no_follow_up_goes_to_many_more_than_the_page_showed(admin: Browser) -> None:
    broadcast = a_broadcast(state="FINISHED", finished_at=timezone.now(), audience_upto=0)
    url = reverse("admin:notifier_broadcast_follow", args=[broadcast.pk])
    a_client(listings="email")
    form = opened(admin, url)
    a_client(listings="email")

    page = admin.post(url, form)

    assert Broadcast.objects.count() == 1
    assert "It would now be 2 messages." in text_of(page)
    admin.post(url, form_of(page.content.decode()))
    assert Broadcast.objects.count() == 2


def test_what_was_mended_meanwhile_is_not_rejected_unread(staff: LogIn) -> None:
    broadcast = waiting(created_by=a_user())
    browser = staff("notifier.view_broadcast", "notifier.approve_broadcast")
    seen = browser.get(page_of(broadcast)).context["version"]
    Broadcast.objects.update(text_of=timezone.now())

    page = browser.post(page_of(broadcast), {"word": "reject", "why": "a misprint", "seen": seen})

    assert fresh(broadcast).state == State.AWAITING_APPROVAL
    assert "Nothing was rejected" in text_of(page)
    assert 'value="a misprint"' in text_of(page)


def test_what_failed_after_the_page_was_shown_is_not_sent_again(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    shown = a_delivery(broadcast=broadcast, state="FAILED")
    form = opened(admin, act_url(broadcast, "retry"))
    later = a_delivery(broadcast=broadcast, state="FAILED")

    page = admin.post(act_url(broadcast, "retry"), form | {"why": "the mailbox is back"}, follow=True)

    assert "To be sent again: 1 message." in text_of(page)
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert (states[shown.pk], states[later.pk]) == ("PENDING", "FAILED")


def test_cancelling_stops_it_whatever_has_changed(admin: Browser) -> None:
    broadcast = scheduled()
    form = opened(admin, act_url(broadcast, "cancel"))
    Broadcast.objects.update(state=State.RUNNING, started_at=timezone.now())

    admin.post(act_url(broadcast, "cancel"), form)

    assert fresh(broadcast).state == State.CANCELLED
