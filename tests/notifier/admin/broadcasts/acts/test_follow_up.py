"""The page that asks before a text is sent to those who did not get it."""

import uuid
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast, Notification
from tests.notifier.admin.broadcasts.test_broadcast_admin import page_of, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification

pytestmark = pytest.mark.both_engines(only_full=True)

SEE, SEND = "notifier.view_broadcast", "notifier.send_broadcast"


def follow_page(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_broadcast_follow", args=[broadcast.pk])


def an_ended() -> Broadcast:
    return a_broadcast(state="FINISHED", finished_at=timezone.now(), audience_upto=0)


def pressed() -> dict[str, str]:
    return {"token": str(uuid.uuid4()), "counted": "9999"}


def test_the_page_counts_who_gets_it_by_what_had_become_of_them(admin: Browser) -> None:
    broadcast = an_ended()
    for state in ("FAILED", "FAILED", "SKIPPED", "CANCELLED", "SENT", "UNKNOWN"):
        a_delivery(broadcast=broadcast, state=state, client=a_client(listings="email"))
    a_client(listings="both")

    text = text_of(admin.get(follow_page(broadcast)))

    assert '<td class="recipients">5</td> <td data-label="Failed">2</td> <td data-label="Skipped">1</td>' in text
    assert '<td data-label="Cancelled">1</td> <td data-label="Not included">1</td>' in text
    assert "Send 5 e-mails and 1 SMS" in text
    assert "Left out: 1 unknown." in text
    assert Broadcast.objects.count() == 1


def test_pressing_makes_the_follow_up_once_and_leads_to_its_page(staff: LogIn) -> None:
    broadcast = an_ended()
    browser, press = staff(SEE, SEND), pressed()

    first = browser.post(follow_page(broadcast), press)
    second = browser.post(follow_page(broadcast), press)

    made = Broadcast.objects.get(follows=broadcast)
    assert first["Location"] == second["Location"] == page_of(made)
    assert made.created_by is not None


def test_another_press_is_refused_and_says_which_one_follows(admin: Browser) -> None:
    broadcast = an_ended()
    admin.post(follow_page(broadcast), pressed())

    for response in (admin.get(follow_page(broadcast), follow=True), admin.post(follow_page(broadcast), pressed())):
        assert Broadcast.objects.filter(follows=broadcast).count() == 1
        if response.status_code == 200:
            assert "It has a follow-up already:" in text_of(response)


def test_what_has_not_ended_is_refused_with_what_to_do(admin: Browser) -> None:
    broadcast = a_broadcast()

    page = admin.post(follow_page(broadcast), pressed(), follow=True)

    assert "Nothing was sent." in text_of(page)
    assert "Wait until it has, or cancel it first." in text_of(page)
    assert Broadcast.objects.count() == 1


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_form_that_the_page_did_not_make_sends_nothing(admin: Browser, token: str) -> None:
    broadcast = an_ended()

    page = admin.post(follow_page(broadcast), {"token": token}, follow=True)

    assert "nothing was sent" in text_of(page)
    assert Broadcast.objects.count() == 1


def test_it_needs_the_right_to_send_and_to_see(staff: LogIn) -> None:
    broadcast = an_ended()

    for permissions in ((), (SEE,), (SEND,), (SEE, "notifier.control_broadcast")):
        assert staff(*permissions).get(follow_page(broadcast)).status_code == 403
        assert staff(*permissions).post(follow_page(broadcast), pressed()).status_code == 403
    assert Broadcast.objects.count() == 1
    assert staff(SEE, SEND).get(follow_page(broadcast)).status_code == 200


def test_it_needs_a_login_the_csrf_token_and_a_broadcast(admin: Browser) -> None:
    broadcast = an_ended()

    assert admin.get(reverse("admin:notifier_broadcast_follow", args=[99])).status_code == 404
    admin.handler.enforce_csrf_checks = True
    assert admin.post(follow_page(broadcast), pressed()).status_code == 403
    admin.logout()
    assert admin.get(follow_page(broadcast))["Location"].startswith(reverse("admin:login"))


# --- The number that is typed -----------------------------------------------------------------------------------------
@pytest.fixture
def _confirm_above_one(settings: LazySettings) -> None:
    settings.CONFIRM_ABOVE = 1


def an_ended_with_two_missed() -> Broadcast:
    broadcast = an_ended()
    for _ in range(2):
        a_delivery(broadcast=broadcast, state="FAILED", client=a_client(listings="email"))
    return broadcast


@pytest.mark.usefixtures("_confirm_above_one")
@pytest.mark.parametrize("typed", ["", "1", "3", "two", "2,2"])
def test_many_are_not_followed_up_before_their_number_is_typed(admin: Browser, typed: str) -> None:
    broadcast = an_ended_with_two_missed()

    asked = text_of(admin.get(follow_page(broadcast)))
    page = admin.post(follow_page(broadcast), {**pressed(), "counted": "2", "typed": typed})

    assert "To confirm, type the number of messages: <strong>2</strong>" in asked
    assert "Nothing has been sent yet" in text_of(page)
    assert "Type the number of messages, 2, to send them." in text_of(page)
    assert Broadcast.objects.count() == 1


@pytest.mark.usefixtures("_confirm_above_one")
def test_with_the_number_they_are_followed_up_once_however_often_it_is_pressed(admin: Browser) -> None:
    broadcast = an_ended_with_two_missed()
    press = {**pressed(), "counted": "2", "typed": "2"}

    admin.post(follow_page(broadcast), press)
    made = Broadcast.objects.get(follows=broadcast)
    for _ in range(3):
        a_client(listings="email")
    second = admin.post(follow_page(broadcast), press)

    assert second["Location"] == page_of(made)
    assert Broadcast.objects.filter(follows=broadcast).count() == 1


@pytest.mark.usefixtures("_confirm_above_one")
def test_the_number_is_that_of_the_moment_at_which_it_is_pressed(admin: Browser) -> None:
    broadcast = an_ended_with_two_missed()
    a_client(listings="both")

    page = admin.post(follow_page(broadcast), {**pressed(), "counted": "2", "typed": "2"})

    assert "It would now be 4 messages. Type that number to send them." in text_of(page)
    assert '<input type="hidden" name="counted" value="4">' in text_of(page)
    assert Broadcast.objects.count() == 1


@pytest.mark.usefixtures("_confirm_above_one")
def test_a_number_without_what_the_page_showed_is_not_believed(admin: Browser) -> None:
    broadcast = an_ended_with_two_missed()

    admin.post(follow_page(broadcast), {**pressed(), "typed": "2"})

    assert Broadcast.objects.count() == 1


def test_few_need_no_number(admin: Browser, settings: LazySettings) -> None:
    settings.CONFIRM_ABOVE = 2
    broadcast = an_ended_with_two_missed()

    assert 'name="typed"' not in text_of(admin.get(follow_page(broadcast)))
    admin.post(follow_page(broadcast), pressed())

    assert Broadcast.objects.filter(follows=broadcast).exists()


# --- The page ---------------------------------------------------------------------------------------------------------
def test_where_nobody_is_left_there_is_nothing_to_press(admin: Browser) -> None:
    text = text_of(admin.get(follow_page(an_ended())))

    assert "Nobody left to send it to" in text
    assert 'id="do-it"' not in text


def test_the_page_takes_as_many_queries_for_many_clients_as_for_few(admin: Browser) -> None:
    broadcast = an_ended()
    a_delivery(broadcast=broadcast, state="FAILED")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(follow_page(broadcast)).status_code == 200
        return len(captured)

    few = queries()
    for _ in range(20):
        a_delivery(broadcast=broadcast, state="FAILED")

    assert queries() == few


def test_where_a_second_person_has_a_say_the_page_says_so_and_leads_to_the_page_that_waits(
    staff: LogIn, settings: Any
) -> None:
    settings.APPROVAL_ABOVE = 1
    broadcast = an_ended()
    for _ in range(2):
        a_delivery(broadcast=broadcast, state="FAILED", client=a_client(listings="email"))
    browser = staff(SEE, SEND)

    asked = text_of(browser.get(follow_page(broadcast)))
    page = browser.post(follow_page(broadcast), pressed(), follow=True)

    assert "Submit 2 e-mails for approval" in asked
    assert "It starts immediately" not in asked
    made = Broadcast.objects.get(follows=broadcast)
    assert page.redirect_chain[-1][0] == page_of(made)
    assert "Awaiting approval" in text_of(page)
    assert made.started_at is None


def test_the_page_shows_the_frozen_mail_and_no_markdown(admin: Browser) -> None:
    notification = a_notification(email_body="Dear **friend**")
    broadcast = a_broadcast(state="FINISHED", finished_at=timezone.now(), notification=notification)
    Notification.objects.update(email_body="edited since")
    preview = reverse("admin:notifier_broadcast_email_preview", args=[broadcast.pk])

    page = text_of(admin.get(follow_page(broadcast)))

    assert f'src="{preview}"' in page
    assert "**" not in page
    assert "<strong>friend</strong>" in text_of(admin.get(preview))


@pytest.mark.parametrize(
    ("rights", "posted", "is_critical"),
    [
        (("notifier.send_critical",), {"is_critical": "on"}, True),
        (("notifier.send_critical",), {}, False),
        ((), {"is_critical": "on"}, False),
    ],
)
def test_a_follow_up_of_a_critical_broadcast_is_one_only_if_that_is_said_again(
    staff: LogIn, rights: tuple[str, ...], posted: dict[str, str], is_critical: bool
) -> None:
    broadcast = a_broadcast(state="FINISHED", finished_at=timezone.now(), audience_upto=0, is_critical=True)

    staff(SEE, SEND, *rights).post(follow_page(broadcast), pressed() | posted)

    assert Broadcast.objects.get(follows=broadcast).is_critical == is_critical
