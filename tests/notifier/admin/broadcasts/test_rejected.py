"""The page of a broadcast that was rejected, and where whoever asked for it is told."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast, Notification
from notifier.notifications import statuses
from notifier.staff import groups
from tests.notifier.admin.broadcasts.test_broadcast_admin import page_of, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_user

pytestmark = pytest.mark.both_engines(only_full=True)

State = Broadcast.State
VIEW = groups.VIEW_BROADCAST


def a_rejected(**fields: Any) -> Broadcast:
    values: dict[str, Any] = {
        "state": State.REJECTED,
        "started_at": None,
        "finished_at": timezone.now(),
        "audience_upto": 0,
    }
    values |= {"rejected_by": a_user(username="bob"), "ended_because": "the <b>price</b> is wrong"}
    return a_broadcast(**values | {"tallied_at": timezone.now()} | fields)


def test_it_says_who_rejected_it_and_why_and_that_nothing_was_sent(staff: LogIn) -> None:
    text = text_of(staff(VIEW, groups.SEND_BROADCAST, groups.CONTROL_BROADCAST).get(page_of(a_rejected())))

    assert "Rejected</span> by bob," in text
    assert "the &lt;b&gt;price&lt;/b&gt; is wrong" in text
    assert "Nothing was sent." in text


def test_it_says_why_once_and_aloud_that_nothing_was_sent(admin: Browser) -> None:
    page = admin.get(page_of(a_rejected()))

    assert text_of(page).count("price&lt;/b&gt; is wrong") == 1
    assert page.context["said"] == "Rejected: nothing was sent."


def test_it_never_says_that_everybody_got_it_and_offers_the_text_to_nobody(admin: Browser) -> None:
    page = admin.get(page_of(a_rejected()))
    text = text_of(page)

    assert "Everybody in it got it" not in text
    assert "What next" not in text
    assert page.context["buttons"] == []
    assert "/follow/" not in text


def test_who_may_write_edits_and_resubmits_it(staff: LogIn) -> None:
    broadcast = a_rejected()

    rights = (VIEW, groups.VIEW_NOTIFICATION, groups.CHANGE_NOTIFICATION, groups.SEND_BROADCAST)

    page = staff(*rights).get(page_of(broadcast))

    edit = reverse("admin:notifier_notification_change", args=[broadcast.notification_id])
    assert f'id="resubmit" href="{edit}">Edit and resubmit…</a>' in text_of(page)
    assert page.client.get(edit).status_code == 200


def test_who_may_write_and_not_send_edits_it_and_hands_it_over(staff: LogIn) -> None:
    broadcast = a_rejected()

    text = text_of(staff(VIEW, groups.VIEW_NOTIFICATION, groups.CHANGE_NOTIFICATION).get(page_of(broadcast)))

    assert "Edit the text…</a>" in text
    assert "then mark it as ready to send again." in text
    assert "resubmit…" not in text


def test_who_may_send_is_told_whom_to_ask_and_sends_it_once_it_is_ready(staff: LogIn) -> None:
    broadcast, eve = a_rejected(), a_user(username="eve", group=groups.EDITORS)
    notification = broadcast.notification
    sender = staff(*groups.permissions_of(groups.SENDERS))
    assert "Ask an editor to edit the text and mark it as ready to send." in text_of(sender.get(page_of(broadcast)))
    Notification.history.filter(id=notification.pk).update(history_user=eve)
    assert "Ask eve to edit the text and mark it as ready to send." in text_of(sender.get(page_of(broadcast)))

    statuses.mark_ready(notification=notification, by=eve, now=timezone.now())

    text = text_of(sender.get(page_of(broadcast)))
    send = reverse("admin:notifier_notification_broadcast", query={"ids": notification.pk})
    assert f'href="{send}">View and send…</a>' in text
    assert sender.get(send).status_code == 200


def test_who_may_not_write_is_sent_to_where_somebody_may(staff: LogIn) -> None:
    broadcast = a_rejected()

    assert "View the notification</a>" in text_of(staff(VIEW, groups.VIEW_NOTIFICATION).get(page_of(broadcast)))
    assert 'id="resubmit"' not in text_of(staff(VIEW).get(page_of(broadcast)))


def test_a_rejected_follow_up_leads_to_what_it_was_to_follow(staff: LogIn) -> None:
    original = a_broadcast(state=State.FINISHED, finished_at=timezone.now())
    broadcast = a_rejected(notification=original.notification, was_to_follow=original)

    text = text_of(staff(VIEW, groups.SEND_BROADCAST).get(page_of(broadcast)))

    assert f'href="{page_of(original)}">View #{original.pk}</a>' in text
    assert 'id="resubmit"' not in text_of(staff(VIEW).get(page_of(broadcast)))


def test_once_it_was_resubmitted_the_page_leads_there(admin: Browser) -> None:
    broadcast = a_rejected()
    again = a_broadcast(notification=broadcast.notification, state=State.AWAITING_APPROVAL, started_at=None)

    text = text_of(admin.get(page_of(broadcast)))

    assert f'id="resubmitted" href="{page_of(again)}"' in text
    assert 'id="resubmit"' not in text


def test_whoever_asked_is_told_on_the_overview_and_in_the_menu(client: Browser, db: None) -> None:
    ann = a_user(VIEW, username="ann")
    client.force_login(ann)
    broadcast = a_rejected(created_by=ann)

    text = text_of(client.get(reverse("admin:index")))

    assert f'id="concern-rejected-{broadcast.pk}"' in text
    assert "was rejected by bob: the &lt;b&gt;price&lt;/b&gt; is wrong" in text
    assert '1<span class="visually-hidden"> waiting for you</span>' in text


def test_nobody_else_is_told(staff: LogIn) -> None:
    a_rejected(created_by=a_user())

    text = text_of(staff(VIEW).get(reverse("admin:index")))

    assert "was rejected" not in text
    assert "waiting for you" not in text


def test_it_is_found_by_its_state_in_the_list_and_is_not_among_what_was_sent(admin: Browser) -> None:
    broadcast = a_rejected()
    url = reverse("admin:notifier_broadcast_changelist")

    assert list(admin.get(url, {"state__exact": "REJECTED"}).context["cl"].result_list) == [broadcast]
    assert not admin.get(url, {"state__exact": "CANCELLED"}).context["cl"].result_list
    assert admin.get(reverse("admin:index")).context["finished"] == []
