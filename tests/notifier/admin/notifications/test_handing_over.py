"""From who writes to who sends: the buttons that save first, and where one finds what is ready."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast, Notification
from notifier.notifications import statuses
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import confirm_page, text_of
from tests.support.factories import a_broadcast, a_notification, a_topic, a_user
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

LIST = "admin:notifier_notification_changelist"
ADD = "admin:notifier_notification_add"
VIEW, WRITE, NEW = (f"notifier.{act}_notification" for act in ("view", "change", "add"))
SEND = "notifier.send_broadcast"


def page_of(notification: Notification) -> str:
    return reverse("admin:notifier_notification_change", args=[notification.pk])


def press(browser: Browser, notification: Notification, button: str, **changes: str) -> Any:
    return agree_to(browser, page_of(notification), **changes | {button: "pressed"})


def a_ready_one(**fields: Any) -> Notification:
    notification = a_notification(**fields)
    by = a_user(username=f"editor{notification.pk}")
    statuses.mark_ready(notification=notification, by=by, now=timezone.now())
    return notification


def status(notification: Notification) -> str:
    return str(statuses.with_status(Notification.objects.all()).get(pk=notification.pk).status)


# --- Save, and go on to send ------------------------------------------------------------------------------------------
def test_going_on_to_send_saves_first(admin: Browser) -> None:
    notification = a_notification()

    response = press(admin, notification, "_send", sms_body="Written just now")

    assert response["Location"] == confirm_page(notification)
    assert "Written just now" in text_of(admin.get(response["Location"]))


def test_going_on_without_an_edit_writes_nothing_down(admin: Browser) -> None:
    notification = a_notification()
    version = Notification.objects.get().updated_at

    assert press(admin, notification, "_send")["Location"] == confirm_page(notification)

    assert Notification.objects.get().updated_at == version
    assert not LogEntry.objects.exists()


def test_what_can_not_be_saved_is_not_gone_on_with(admin: Browser) -> None:
    page = press(admin, a_notification(), "_send", sms_body="Dear {{ nam }}")

    assert page.status_code == 200
    assert "There is a problem" in text_of(page)


def test_a_new_one_is_saved_and_gone_on_with(admin: Browser) -> None:
    form = {"topic": a_topic().pk, "subject": "New", "email_body": "Text", "_send": "pressed"}

    response = admin.post(reverse(ADD), form)

    assert response["Location"] == confirm_page(Notification.objects.get())


def test_who_may_only_write_is_not_offered_to_send(staff: LogIn) -> None:
    browser, notification = staff(VIEW, WRITE), a_notification()
    assert 'name="_send"' not in text_of(browser.get(page_of(notification)))

    assert press(browser, notification, "_send")["Location"] == page_of(notification)


def test_who_may_only_send_has_a_link_and_no_button(staff: LogIn) -> None:
    notification = a_notification()

    page = text_of(staff(VIEW, SEND).get(page_of(notification)))

    assert f'href="{confirm_page(notification)}"' in page
    assert "data-saves-with" not in page
    assert 'name="_send"' not in page


# --- Ready to send ----------------------------------------------------------------------------------------------------
def test_an_editor_saves_and_hands_over_in_one_press(staff: LogIn) -> None:
    browser, notification = staff(VIEW, WRITE), a_notification()

    response = press(browser, notification, "_ready", sms_body="The last word")

    assert response["Location"] == page_of(notification)
    assert status(notification) == Notification.Status.READY
    assert Notification.objects.get().sms_body == "The last word"
    page = text_of(browser.get(page_of(notification)))
    assert "is saved and ready to send" in page
    assert f"by {User.objects.latest('pk').username}, " in page
    assert "Marked as ready to send." in LogEntry.objects.latest("pk").get_change_message()


def test_a_new_one_is_handed_over_in_one_press(staff: LogIn) -> None:
    form = {"topic": a_topic().pk, "subject": "New", "email_body": "Text", "_ready": "pressed"}

    response = staff(VIEW, NEW, WRITE).post(reverse(ADD), form)

    notification = Notification.objects.get()
    assert response["Location"] == page_of(notification)
    assert status(notification) == Notification.Status.READY


def test_editing_a_ready_text_makes_it_a_draft_and_says_so(admin: Browser) -> None:
    notification = a_ready_one()

    response = press(admin, notification, "_save", sms_body="Other")

    assert status(notification) == Notification.Status.DRAFT
    assert "it is no longer ready" in text_of(admin.get(response["Location"]))


def test_saving_a_ready_text_as_it_is_leaves_it_ready(admin: Browser) -> None:
    notification = a_ready_one()

    press(admin, notification, "_save")

    assert status(notification) == Notification.Status.READY


def test_it_is_taken_back_with_a_button(admin: Browser) -> None:
    notification = a_ready_one()
    assert 'name="_ready"' not in text_of(admin.get(page_of(notification)))

    press(admin, notification, "_draft")

    assert status(notification) == Notification.Status.DRAFT


def test_what_was_sent_as_it_stands_is_refused_with_what_to_do(admin: Browser) -> None:
    notification = a_notification()
    a_broadcast(notification=notification, text_of=notification.updated_at)

    response = press(admin, notification, "_ready")

    assert "has been sent with this text" in text_of(admin.get(response["Location"]))
    assert status(notification) == Notification.Status.SENT


# --- Finding it -------------------------------------------------------------------------------------------------------
def test_the_list_says_how_far_each_is_and_finds_what_is_ready(admin: Browser) -> None:
    ready = a_ready_one(subject="Ready one")
    draft = a_notification(subject="Draft one")
    sent = a_broadcast(notification=a_notification(subject="Sent one")).notification
    planned = a_notification(subject="Planned one")
    a_broadcast(notification=planned, state=Broadcast.State.SCHEDULED, started_at=None)

    page = admin.get(reverse(LIST))

    labels = {row.pk: row.status for row in page.context["cl"].result_list}
    assert labels == {ready.pk: "READY", draft.pk: "DRAFT", sent.pk: "SENT", planned.pk: "SCHEDULED"}
    assert f'Ready</span> <span class="quiet">by editor{ready.pk}</span>' in text_of(page)
    for name, found in (("ready", ready), ("draft", draft), ("sent", sent), ("scheduled", planned)):
        shown = admin.get(f"{reverse(LIST)}?status={name}")
        assert [row.pk for row in shown.context["cl"].result_list] == [found.pk]


def test_the_list_takes_as_many_queries_for_one_as_for_twenty(admin: Browser) -> None:
    a_ready_one()
    with CaptureQueriesContext(connection) as one:
        admin.get(reverse(LIST))
    for _ in range(19):
        a_broadcast(notification=a_ready_one())

    with CaptureQueriesContext(connection) as twenty:
        admin.get(reverse(LIST))

    assert len(twenty) == len(one)
