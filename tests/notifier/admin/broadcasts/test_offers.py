"""Each number on a button that sends is what then happens: the page is read, the button pressed, and all claimed."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from notifier.delivery import claims, fanout, sweeps
from notifier.models import Broadcast, Channel, Client, Delivery, Notification
from tests.notifier.admin.broadcasts.test_broadcast_admin import act_url, page_of, text_of
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification
from tests.support.forms import form_of

pytestmark = pytest.mark.both_engines

State = Broadcast.State
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _cap(settings: Settings) -> None:
    settings.CAPS = {"email": (2, 7), "sms": None}


def over_the_cap(*, listings: Any = "email") -> Client:
    """Somebody who had two mails this week."""
    client, now = a_client(listings=listings), timezone.now()
    for ago in (DAY, 2 * DAY):
        earlier = a_broadcast(state=State.FINISHED, finished_at=now - ago, started_at=now - ago)
        a_delivery(broadcast=earlier, client=client, state="SENT", settled_at=now - ago)
    return client


def three_of_five() -> Notification:
    """Five agreed by e-mail, and two of them are over the cap; one of these by SMS as well, where there is none."""
    for _ in range(3):
        a_client(listings="email")
    over_the_cap()
    over_the_cap(listings="both")
    return a_notification()


def happens(broadcast: Broadcast) -> dict[str, int]:
    """How many messages of each channel are claimed to be sent, once the broadcast has been expanded."""
    now = timezone.now() + timedelta(seconds=1)
    while fanout.expand(broadcast_id=broadcast.pk, now=now):
        pass
    taken = {}
    for channel in Channel:
        ids = list(broadcast.deliveries.filter(channel=channel).values_list("pk", flat=True))
        mine: dict[str, Any] = {"broadcast_id": broadcast.pk, "channel": channel, "delivery_ids": ids}
        # A ticket has one delivery at least.
        taken[channel.value] = len(claims.claim(**mine, token=uuid.uuid4(), now=now).messages) if ids else 0
    return taken


def confirm_page(notification: Notification) -> str:
    return f"{reverse('admin:notifier_notification_broadcast')}?ids={notification.pk}"


def made() -> Broadcast:
    return Broadcast.objects.latest("pk")


def buttons(text: str) -> list[str]:
    """The numbers of messages on the page's button, in its order."""
    button = re.search(r'id="(?:send-it|do-it|approve-it)"[^>]*>(.*?)</button>', text)
    assert button
    return re.findall(r"\d+ e-mails?(?: and \d+ SMS)?", button[1])


def test_the_confirm_page_leaves_out_who_is_over_the_cap_and_so_does_the_claim(admin: Browser) -> None:
    notification = three_of_five()

    page = admin.get(confirm_page(notification))

    text = text_of(page)
    assert [count.number for count in page.context["offers"][0].channels[0].counts][:2] == [3, 2]
    assert ">Frequency cap</th>" in text
    assert buttons(text)[0] == "3 e-mails and 1 SMS"
    admin.post(confirm_page(notification), form_of(page.content.decode()))
    assert happens(made()) == {"email": 3, "sms": 1}
    assert made().deliveries.filter(state="SKIPPED").count() == 2


def test_a_critical_one_goes_to_all_of_them_as_its_button_says(admin: Browser) -> None:
    notification = three_of_five()

    page = admin.get(confirm_page(notification))

    assert buttons(text_of(page))[1] == "5 e-mails and 1 SMS"
    admin.post(confirm_page(notification), form_of(page.content.decode()) | {"is_critical": "on"})
    assert happens(made()) == {"email": 5, "sms": 1}


def test_the_number_that_has_to_be_typed_is_that_of_the_choice(admin: Browser, settings: Settings) -> None:
    settings.CONFIRM_ABOVE = 1
    notification = three_of_five()
    page = admin.get(confirm_page(notification))
    posted = form_of(page.content.decode())

    refused = admin.post(confirm_page(notification), posted | {"is_critical": "on", "typed": "4"})
    assert "Type the number of messages, 6, to send them." in text_of(refused)
    assert not Broadcast.objects.filter(notification=notification).exists()

    admin.post(confirm_page(notification), posted | {"typed": "4"})
    assert happens(made()) == {"email": 3, "sms": 1}


def test_who_had_too_many_meanwhile_makes_it_fewer_and_never_more(admin: Browser) -> None:
    notification = three_of_five()
    page = admin.get(confirm_page(notification))
    Delivery.objects.all().delete()

    answer = text_of(admin.post(confirm_page(notification), form_of(page.content.decode())))

    assert "It would now be 6 messages. Check the number before you send them." in answer


def test_a_scheduled_one_that_starts_now_sends_what_its_button_says(admin: Browser) -> None:
    broadcast = a_broadcast(
        notification=three_of_five(),
        state=State.SCHEDULED,
        started_at=None,
        scheduled_for=timezone.now() + DAY,
        audience_upto=0,
    )

    page = admin.get(act_url(broadcast, "start-now"))

    assert "send 3 e-mails and 1 SMS" in text_of(page)
    admin.post(act_url(broadcast, "start-now"), form_of(page.content.decode()))
    broadcast.refresh_from_db()
    assert happens(broadcast) == {"email": 3, "sms": 1}


@pytest.mark.parametrize("is_critical", [False, True])
def test_another_time_that_is_now_sends_what_its_button_says(admin: Browser, is_critical: bool) -> None:
    broadcast = a_broadcast(
        notification=three_of_five(),
        state=State.SCHEDULED,
        started_at=None,
        scheduled_for=timezone.now() + DAY,
        audience_upto=0,
    )
    url = reverse("admin:notifier_broadcast_schedule", args=[broadcast.pk])

    page = admin.get(url)

    assert buttons(text_of(page)) == ["3 e-mails and 1 SMS", "5 e-mails and 1 SMS"]
    choice = {"when": "now", "scheduled_for": ""} | ({"is_critical": "on"} if is_critical else {})
    admin.post(url, form_of(page.content.decode()) | choice)
    broadcast.refresh_from_db()
    assert broadcast.state == State.RUNNING
    assert happens(broadcast)["email"] == (5 if is_critical else 3)


@pytest.mark.parametrize("is_critical", [False, True])
def test_a_follow_up_sends_what_its_button_says(admin: Browser, is_critical: bool) -> None:
    original = a_broadcast(state=State.FINISHED, finished_at=timezone.now())
    for client in (a_client(listings="email"), a_client(listings="email"), over_the_cap()):
        a_delivery(broadcast=original, client=client, state="FAILED")
    a_delivery(broadcast=original, client=over_the_cap(), state="SENT", settled_at=timezone.now())
    url = reverse("admin:notifier_broadcast_follow", args=[original.pk])

    page = admin.get(url)

    assert buttons(text_of(page)) == ["2 e-mails", "3 e-mails"]
    admin.post(url, form_of(page.content.decode()) | ({"is_critical": "on"} if is_critical else {}))
    assert made().follows == original
    assert happens(made())["email"] == (3 if is_critical else 2)


def test_an_approval_sends_what_its_button_says(admin: Browser) -> None:
    notification = three_of_five()
    broadcast = a_broadcast(
        notification=notification,
        state=State.AWAITING_APPROVAL,
        needs_approval=True,
        text_of=notification.updated_at,
        started_at=None,
        audience_upto=0,
    )
    url = reverse("admin:notifier_broadcast_approve", args=[broadcast.pk])

    page = admin.get(url)

    assert buttons(text_of(page)) == ["3 e-mails and 1 SMS"]
    admin.post(url, form_of(page.content.decode()) | {"word": "approve"})
    broadcast.refresh_from_db()
    assert happens(broadcast) == {"email": 3, "sms": 1}


def test_a_cancel_stops_as_many_as_its_button_says(admin: Browser) -> None:
    tally = {"audience": 3, "counts": {"email": {"SENT": 1, "PENDING": 2}}}
    broadcast = a_broadcast(tally=tally, tallied_at=timezone.now(), audience_upto=0)
    a_delivery(broadcast=broadcast, state="SENT")
    waiting = [a_delivery(broadcast=broadcast) for _ in range(2)]

    assert '<span id="number-cancel">2</span>' in text_of(admin.get(page_of(broadcast)))

    admin.post(act_url(broadcast, "cancel"))
    sweeps.sweep(now=timezone.now())
    assert {row.pk for row in broadcast.deliveries.filter(state="CANCELLED")} == {row.pk for row in waiting}


def test_a_second_person_is_asked_by_the_audience_whatever_the_cap_keeps_back(
    admin: Browser, settings: Settings
) -> None:
    settings.APPROVAL_ABOVE = 5
    notification = three_of_five()

    page = admin.get(confirm_page(notification))

    assert "for approval</span>" in text_of(page)
    admin.post(confirm_page(notification), form_of(page.content.decode()))
    assert made().state == State.AWAITING_APPROVAL
