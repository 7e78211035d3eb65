"""What is offered once a broadcast has ended."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from notifier.admin.broadcasts.acts import retry_failed
from notifier.admin.lists import deferred_counts
from notifier.audience import unreached
from notifier.delivery import claims
from notifier.models import Broadcast, Channel, Client, Suppression
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast, act_url, page_of, text_of
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.deliveries.test_results import an_ended
from tests.support.factories import a_broadcast, a_client, a_delivery
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines

LIST, EXPORT = "notifier.view_delivery", "notifier.export_delivery"


def steps_of(browser: Browser, broadcast: Broadcast) -> dict[str, str]:
    return steps_of_page(browser.get(page_of(broadcast)))


def steps_of_page(page: Any) -> dict[str, str]:
    return {step.name: step.label for step in page.context["steps"]}


def one_with_failures(number: int = 1, **fields: Any) -> Broadcast:
    """With so many that failed among its deliveries."""
    broadcast = an_ended(**fields)
    for _ in range(number):
        a_delivery(broadcast=broadcast, state="FAILED")
    return broadcast


def test_what_has_ended_says_what_to_do_next_with_numbers(admin: Browser) -> None:
    broadcast = one_with_failures(2)
    a_client(listings="both")

    assert list(steps_of(admin, broadcast).items()) == [
        ("retry", "Send 2 failed messages again…"),
        ("resolve", "Resolve 3 unknown…"),
        ("follow", "Send 3 e-mails and 3 SMS to those who missed it…"),
        ("export", "Export 1,998 messages"),
    ]


def test_what_failed_is_retried_by_the_one_button_that_stands_out(admin: Browser) -> None:
    page = admin.get(page_of(one_with_failures()))

    assert {step.name for step in page.context["steps"] if step.tone == "primary"} == {"retry"}
    assert page.context["buttons"] == []
    assert text_of(page).count("button primary") == 1


def test_the_retry_counts_what_would_be_sent_and_names_what_would_be_skipped(admin: Browser) -> None:
    broadcast = one_with_failures(5)
    first, second, *_ = broadcast.deliveries.order_by("pk")
    for row in (first, second):
        Suppression.objects.create(channel="email", address=row.address, reason="bounced", source="BOUNCE")

    page = admin.get(page_of(broadcast))
    asked = admin.get(act_url(broadcast, "retry"))
    agree_to(admin, act_url(broadcast, "retry"), why="the mailbox is back")

    # Pressed, it is that many that go out.
    assert steps_of_page(page)["retry"] == "Send 3 failed messages again…"
    assert "2 failed and can’t be sent again: address suppressed (2)." in text_of(page)
    assert ">Send 3 again</button>" in text_of(asked)
    taken = claims.claim(
        broadcast_id=broadcast.pk,
        channel=Channel.EMAIL,
        delivery_ids=list(broadcast.deliveries.values_list("pk", flat=True)),
        token=uuid.uuid4(),
        now=timezone.now(),
    )
    assert len(taken.messages) == 3


def test_where_nothing_that_failed_can_be_sent_there_is_no_retry_but_the_reason(admin: Browser) -> None:
    broadcast = one_with_failures()
    row = broadcast.deliveries.get()
    Suppression.objects.create(channel="email", address=row.address, reason="bounced", source="BOUNCE")

    page = admin.get(page_of(broadcast))

    assert "1 failed and can’t be sent again: address suppressed (1)." in text_of(page)
    assert act_url(broadcast, "retry") not in text_of(page)
    # Something else stands out.
    assert [step.name for step in page.context["steps"] if step.tone == "primary"] == ["resolve"]


def test_very_many_failures_are_counted_after_the_page(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcast = one_with_failures(3)
    monkeypatch.setattr(retry_failed, "AT_ONCE", 1)
    counted = f"{page_of(broadcast)}?counted=1"

    with monkeypatch.context() as patched:
        patched.setattr(retry_failed, "forecast", None)
        page = text_of(admin.get(page_of(broadcast)))
    assert f'hx-get="{counted}"' in page
    assert "django_htmx/htmx" in page

    # By the browser, and without JavaScript.
    for htmx in ({"HX-Request": "true"}, {}):
        assert "Send 3 failed messages again…" in text_of(admin.get(counted, headers=htmx))


def test_where_nobody_is_left_there_is_no_way_to_those_who_missed_it(admin: Browser) -> None:
    broadcast = an_ended(tally={"audience": 9, "counts": {"email": {"SENT": 8, "SKIPPED": 1}}})

    page = admin.get(page_of(broadcast))

    assert "follow" not in steps_of(admin, broadcast)
    assert "There is nobody left to send it to" in text_of(page)
    assert reverse("admin:notifier_broadcast_follow", args=[broadcast.pk]) not in text_of(page)


def test_among_very_many_clients_they_are_counted_after_the_page(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = a_client(listings="email")
    broadcast = an_ended(tally={"audience": 9, "counts": {"email": {"SENT": 8, "SKIPPED": 1}}})
    monkeypatch.setattr(deferred_counts, "AT_ONCE", 0)
    address = reverse("admin:notifier_broadcast_follow_count", args=[broadcast.pk])

    with monkeypatch.context() as patched:
        patched.setattr(unreached, "missing", None)
        page = text_of(admin.get(page_of(broadcast)))
    assert f'hx-get="{address}"' in page
    assert "django_htmx/htmx" in page

    assert "Send 1 e-mail to those who missed it…" in text_of(admin.get(address))
    Client.objects.filter(pk=client.pk).update(is_active=False)
    assert "There is nobody left to send it to" in text_of(admin.get(address))
    a_told_broadcast(notification=broadcast.notification, follows=broadcast)
    assert "It has a follow-up already" in text_of(admin.get(address))


def test_nothing_is_offered_while_it_runs_nor_on_the_wall(admin: Browser) -> None:
    assert steps_of(admin, a_told_broadcast()) == {}
    assert "Next steps" not in text_of(admin.get(page_of(an_ended()), {"wall": "1"}))


def test_each_step_is_offered_to_those_who_may_take_it(staff: LogIn) -> None:
    broadcast = one_with_failures()
    see = "notifier.view_broadcast"

    assert steps_of(staff(see), broadcast) == {}
    assert steps_of(staff(see, "notifier.control_broadcast"), broadcast) == {}
    assert list(steps_of(staff(see, "notifier.send_broadcast"), broadcast)) == ["follow"]
    assert list(steps_of(staff(see, LIST, "notifier.resolve_delivery"), broadcast)) == ["retry", "resolve"]
    assert list(steps_of(staff(see, LIST, EXPORT), broadcast)) == ["export"]


def test_an_expired_one_offers_no_retry_and_says_why(admin: Browser) -> None:
    a_client(listings="email")
    broadcast = an_ended(expires_at=timezone.now())

    page = admin.get(page_of(broadcast))

    assert list(steps_of(admin, broadcast)) == ["resolve", "follow", "export"]
    assert page.context["buttons"] == []
    assert "so it can’t be sent again" in text_of(page)


def test_one_that_has_not_expired_yet_is_retried(admin: Browser) -> None:
    broadcast = one_with_failures(expires_at=timezone.now() + timedelta(hours=1))

    page = admin.get(page_of(broadcast))

    assert "retry" in steps_of(admin, broadcast)
    assert "so it can’t be sent again" not in text_of(page)


def test_a_broadcast_that_everybody_got_says_so(admin: Browser) -> None:
    got = an_ended(tally={"audience": 2, "counts": {"email": {"SENT": 2}}})

    assert steps_of(admin, got) == {"export": "Export 2 messages"}
    a_client(listings="email")
    assert steps_of(admin, got)["follow"] == "Send 1 e-mail to those who have agreed since…"
    assert "Everyone got it. There is nothing left to do." in text_of(admin.get(page_of(got)))


def test_what_was_cancelled_before_it_started_was_got_by_nobody(admin: Browser) -> None:
    undone = a_told_broadcast(state="CANCELLED", finished_at=timezone.now(), started_at=None, tally={})
    assert steps_of(admin, undone) == {}
    text = text_of(admin.get(page_of(undone)))
    assert "Everyone got it" not in text
    assert "There is nobody to send it to now" in text

    a_client(listings="email")

    assert steps_of(admin, undone) == {"follow": "Send 1 e-mail…"}
    assert "There is nobody to send it to now" not in text_of(admin.get(page_of(undone)))


def test_the_number_of_those_who_missed_it_leaves_out_who_has_reached_the_cap(
    admin: Browser, staff: LogIn, settings: Settings
) -> None:
    settings.CAPS = {"email": (1, 7), "sms": None}
    broadcast = an_ended(tally={"audience": 2, "counts": {"email": {"FAILED": 2}}})
    below, above = (a_client(listings="email") for _ in range(2))
    for client in (below, above):
        a_delivery(broadcast=broadcast, client=client, state="FAILED")
    a_delivery(broadcast=a_broadcast(), client=above, state="SENT", settled_at=timezone.now())

    assert steps_of(admin, broadcast)["follow"] == "Send 1 e-mail to those who missed it…"

    Client.objects.filter(pk=below.pk).update(is_active=False)
    assert steps_of(admin, broadcast)["follow"] == "Send to those who missed it…"
    assert "follow" not in steps_of(staff("notifier.view_broadcast", "notifier.send_broadcast"), broadcast)


def test_one_that_was_followed_leads_on_and_is_neither_retried_nor_followed_again(admin: Browser) -> None:
    original = an_ended()
    follower = a_told_broadcast(notification=original.notification, follows=original)

    page = admin.get(page_of(original))

    assert list(steps_of(admin, original)) == ["resolve", "export"]
    assert [order.name for order, _ in page.context["buttons"]] == []
    assert page_of(follower) in text_of(page)
    assert page_of(original) in text_of(admin.get(page_of(follower)))
