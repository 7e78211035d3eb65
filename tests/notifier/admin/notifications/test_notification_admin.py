"""From the list of notifications to a running broadcast."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast, Channel, Notification, Suppression
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_notification, a_topic
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

CONFIRM = "admin:notifier_notification_broadcast"
LIST = "admin:notifier_notification_changelist"


def confirm_page(*notifications: Notification) -> str:
    return f"{reverse(CONFIRM)}?ids={','.join(str(n.pk) for n in notifications)}"


def send_form_of(page: Any, **changes: Any) -> dict[str, Any]:
    """What the confirm page posts when its button is pressed."""
    counted = {"counted": page.context["summary"].total} if "summary" in page.context else {}
    seen = [offer.seen for offer in page.context["offers"]]
    shown = {"token": str(page.context["token"]), "brand_seen": page.context["brand_seen"], "seen": seen}
    return {**shown, **counted, **changes}


def send(browser: Browser, *notifications: Notification, **changes: Any) -> Any:
    url = confirm_page(*notifications)
    return browser.post(url, send_form_of(browser.get(url), **changes))


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


# --- Choosing ---------------------------------------------------------------------------------------------------------
def choose(browser: Browser, *notifications: Notification) -> Any:
    chosen = {"action": "broadcast_selected", "_selected_action": [n.pk for n in notifications]}
    return browser.post(reverse(LIST), chosen)


def test_the_action_leads_to_the_confirm_page(admin: Browser) -> None:
    first, second = a_notification(), a_notification()

    response = choose(admin, first, second)

    assert response["Location"] == confirm_page(first, second)
    assert not Broadcast.objects.exists()


def test_the_action_and_the_button_are_shown_to_those_who_may_send(staff: LogIn) -> None:
    notification = a_notification()
    page = reverse("admin:notifier_notification_change", args=[notification.pk])

    browser = staff("notifier.view_notification")
    assert "Broadcast selected" not in text_of(browser.get(reverse(LIST)))
    assert confirm_page(notification) not in text_of(browser.get(page))

    browser = staff("notifier.view_notification", "notifier.send_broadcast")
    assert "Broadcast selected" in text_of(browser.get(reverse(LIST)))
    assert confirm_page(notification) in text_of(browser.get(page))


def test_too_many_at_once_are_refused(admin: Browser) -> None:
    response = choose(admin, *(a_notification() for _ in range(21)))

    assert response["Location"].startswith(reverse(LIST))


# --- Permission -------------------------------------------------------------------------------------------------------
def test_sending_needs_its_permission(staff: LogIn, admin: Browser) -> None:
    a_client(listings="both")
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)))

    browser = staff("notifier.view_notification", "notifier.change_notification", "notifier.control_broadcast")

    assert browser.get(confirm_page(notification)).status_code == 403
    assert browser.post(confirm_page(notification), form).status_code == 403
    assert not Broadcast.objects.exists()


def test_sending_needs_a_login(client: Browser, db: None) -> None:
    response = client.post(confirm_page(a_notification()), {"token": str(uuid.uuid4())})

    assert response["Location"].startswith(reverse("admin:login"))
    assert not Broadcast.objects.exists()


def test_sending_needs_the_csrf_token(admin: Browser) -> None:
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)))
    admin.handler.enforce_csrf_checks = True

    assert admin.post(confirm_page(notification), form).status_code == 403
    assert not Broadcast.objects.exists()


# --- Looking ----------------------------------------------------------------------------------------------------------
def test_the_page_counts_each_channel_and_each_reason(admin: Browser) -> None:
    a_client(listings="both")
    a_client(listings="email", phone=None)
    a_client(listings="sms", phone=None)
    a_client(listings="both", is_active=False)
    a_client(offerings="both")
    unwanted = a_client(listings="both")
    Suppression.objects.create(channel=Channel.SMS, address=str(unwanted.phone), reason="asked us to")

    page = admin.get(confirm_page(a_notification()))

    counts = [
        (one.channel, one.sends, one.reach.no_consent, one.reach.no_address, one.reach.suppressed, one.reach.archived)
        for one in page.context["offers"][0].channels
    ]
    assert counts == [(Channel.EMAIL, 3, 2, 0, 0, 1), (Channel.SMS, 1, 2, 1, 1, 1)]
    assert "Send 3 e-mails and 1 SMS" in text_of(page)


def test_the_page_shows_the_message_as_a_client_will_read_it(admin: Browser) -> None:
    a_client(first_name="Ann", last_name="<b>Example", listings="both")

    page = text_of(admin.get(confirm_page(a_notification(subject="For {{ first_name }}", sms_body="Hi {{ name }}"))))

    assert "For Ann" in page
    assert "Hi Ann &lt;b&gt;Example" in page
    assert "1 segment (17 characters, GSM-7)" in page


def test_it_is_said_beforehand_when_nobody_would_get_it(admin: Browser) -> None:
    a_client(offerings="both")

    page = admin.get(confirm_page(a_notification()))

    assert "Nobody would get this" in text_of(page)
    assert "Nothing to send" in text_of(page)
    assert "disabled" in text_of(page)


def test_what_is_still_to_be_filled_in_is_said_beforehand(admin: Browser) -> None:
    a_client(listings="both")
    notification = a_notification(subject="News of [date]", email_body="[Read](https://www.example.com)")

    page = text_of(admin.get(confirm_page(notification)))

    assert "Still to be filled in: [date]." in page
    assert "A link still leads to example.com." in page


def test_an_empty_text_is_said_beforehand(admin: Browser) -> None:
    a_client(listings="both")

    page = text_of(admin.get(confirm_page(a_notification(sms_body=""))))

    assert "There is no SMS text, so 1 client who agreed to SMS will not get it that way." in page
    assert "Send 1 e-mail" in page


def test_a_channel_that_nobody_agreed_to_is_said_beforehand(admin: Browser) -> None:
    a_client(listings="email")

    page = text_of(admin.get(confirm_page(a_notification())))

    assert "Nobody has agreed to hear about Listings by SMS." in page


@pytest.mark.parametrize("ids", ["", "x", "0", "1,,2", "99999999", "1" * 30, ",".join("1" * 21)])
def test_ids_that_name_nothing_lead_back_to_the_list(admin: Browser, ids: str) -> None:
    response = admin.get(reverse(CONFIRM), {"ids": ids}, follow=True)

    assert response.redirect_chain[-1][0] == reverse(LIST)
    assert "Choose the notifications" in text_of(response)


# --- Sending ----------------------------------------------------------------------------------------------------------
def test_sending_makes_one_broadcast_and_shows_its_progress(admin: Browser) -> None:
    a_client(listings="both")
    notification = a_notification()

    response = send(admin, notification)

    broadcast = Broadcast.objects.get()
    assert response["Location"] == reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])
    assert (broadcast.notification, str(broadcast.created_by)) == (notification, "root")


def test_those_who_may_send_and_not_watch_are_told_that_it_started(staff: LogIn) -> None:
    a_client(listings="both")

    response = send(staff("notifier.view_notification", "notifier.send_broadcast"), a_notification())

    assert Broadcast.objects.count() == 1
    assert response["Location"] == reverse(LIST)


def test_several_notifications_make_several_broadcasts_and_show_them_in_the_list(admin: Browser) -> None:
    a_client(listings="both", offerings="both")
    notifications = [a_notification(), a_notification(topic=a_topic(slug="offerings"))]
    a_broadcast()

    response = send(admin, *notifications)

    listed = admin.get(response["Location"]).context["cl"].result_list
    assert {broadcast.notification for broadcast in listed} == set(notifications)


def test_the_same_request_twice_makes_one_broadcast(admin: Browser) -> None:
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)))

    first = admin.post(confirm_page(notification), form)
    second = admin.post(confirm_page(notification), form)

    assert Broadcast.objects.count() == 1
    assert first["Location"] == second["Location"]


def test_a_second_request_needs_send_again_and_names_who_sent_it_and_when(admin: Browser) -> None:
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)))
    send(admin, notification)

    refused = admin.post(confirm_page(notification), form | {"token": str(uuid.uuid4())})

    assert Broadcast.objects.count() == 1
    assert "Send again" in text_of(refused)
    started = timezone.localtime(Broadcast.objects.get().started_at)
    assert f"by root, {started:%-d %b %Y, %H:%M}" in text_of(refused)

    admin.post(confirm_page(notification), send_form_of(refused, again="on"))

    assert Broadcast.objects.count() == 2


def test_the_page_warns_of_an_earlier_broadcast_before_sending(admin: Browser) -> None:
    old, recent, quiet = a_notification(), a_notification(), a_notification()
    long_ago = timezone.now() - timedelta(hours=2)
    a_broadcast(notification=old, state="FINISHED", started_at=long_ago, finished_at=long_ago)
    a_broadcast(notification=recent, state="FINISHED")

    assert 'name="again"' not in text_of(admin.get(confirm_page(old, quiet)))
    assert 'name="again"' in text_of(admin.get(confirm_page(recent, quiet)))


def test_a_text_that_was_changed_meanwhile_is_shown_again_and_not_sent(admin: Browser) -> None:
    a_client(listings="both")
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)))
    notification.subject = "Quite another thing"
    notification.save()

    page = admin.post(confirm_page(notification), form)

    assert not Broadcast.objects.exists()
    assert "Nothing was sent." in text_of(page)
    assert "Quite another thing" in text_of(page)

    admin.post(confirm_page(notification), send_form_of(page))

    assert Broadcast.objects.get().subject == "Quite another thing"


def test_a_notification_that_was_deleted_meanwhile_is_not_sent(admin: Browser) -> None:
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)))
    notification.delete()

    response = admin.post(confirm_page(notification), form)

    assert response["Location"] == reverse(LIST)
    assert not Broadcast.objects.exists()


@pytest.mark.parametrize(
    "broken",
    [
        {"token": ""},
        {"token": "not-a-token"},
        {"seen": []},
        {"seen": ["x"]},
        {"seen": ["1@yesterday"]},
        {"seen": ["1@2026-01-01T00:00:00"]},
        {"seen": ["1"]},
    ],
)
def test_a_request_that_is_not_whole_sends_nothing_and_says_so(admin: Browser, broken: dict[str, Any]) -> None:
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)))

    response = admin.post(confirm_page(notification), form | broken, follow=True)

    assert "nothing was sent" in text_of(response)
    assert response.redirect_chain[-1][0] == confirm_page(notification)
    assert not Broadcast.objects.exists()


# --- Keeping ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_notification_that_was_sent_is_not_deleted(admin: Browser, method: str) -> None:
    notification = a_broadcast().notification
    url = reverse("admin:notifier_notification_delete", args=[notification.pk])

    page = getattr(admin, method)(url, {"post": "yes"}, follow=True)

    assert Notification.objects.filter(pk=notification.pk).exists()
    assert "it has been sent" in text_of(page)


def test_a_notification_that_was_never_sent_is_deleted(admin: Browser) -> None:
    notification = a_notification()

    agree_to(admin, reverse("admin:notifier_notification_delete", args=[notification.pk]))

    assert not Notification.objects.exists()


def test_the_list_says_how_often_and_when_last(admin: Browser) -> None:
    sent = a_notification()
    latest = [a_broadcast(notification=sent), a_broadcast(notification=sent)][-1]

    rows = admin.get(reverse(LIST)).context["cl"].result_list

    assert [(row.times_sent, row.last_sent_at) for row in rows] == [(2, latest.started_at)]
