"""The list of broadcasts, and the record of deliveries behind one."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from notifier.admin.deliveries import results
from notifier.models import Broadcast, ClientCounts, Topic
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_user

pytestmark = pytest.mark.both_engines(only_full=True)


State = Broadcast.State
COUNTS = {"email": {"SENT": 1165, "FAILED": 12, "PENDING": 800, "SKIPPED": 18}, "sms": {"UNKNOWN": 3}}
TALLY = {"audience": 1998, "rate": 20.0, "counts": COUNTS}
PAST = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)
VIEW, CONTROL = "notifier.view_broadcast", "notifier.control_broadcast"
RESOLVE = "notifier.resolve_delivery"


def page_of(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])


def act_url(broadcast: Broadcast, name: str) -> str:
    return reverse("admin:notifier_broadcast_act", args=[broadcast.pk, name])


def a_told_broadcast(**fields: Any) -> Broadcast:
    # Not a moment ago: what is settled now comes on the page all the same.
    told: dict[str, Any] = {"tally": TALLY, "tallied_at": timezone.now() - timedelta(minutes=1), "audience": 1998}
    return a_broadcast(**told | fields)


def poll(browser: Browser, broadcast: Broadcast, **query: str) -> Any:
    return browser.get(page_of(broadcast), query, headers={"HX-Request": "true"})


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


# --- The list ---------------------------------------------------------------------------------------------------------
def test_the_list_tells_when_each_began_and_by_whom(admin: Browser) -> None:
    a_told_broadcast(started_at=datetime(2026, 5, 1, 9, 30, tzinfo=UTC), created_by=a_user(username="tom"))
    a_broadcast(state=State.SCHEDULED, started_at=None)

    text = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    assert '1 May 2026, 09:30 <span class="quiet">by tom</span>' in text
    assert '– <span class="quiet">by the command line</span>' in text
    # Nobody has been counted yet: that is not 0. Who was skipped was not to be sent to.
    assert re.findall(r'class="field-audience_shown">(.*?)</td>', text) == ["–", "1,980"]


def test_while_the_audience_is_worked_out_the_list_promises_no_total(admin: Browser) -> None:
    counts = {"email": {"SENT": 400}}
    a_told_broadcast(cursor=430, audience_upto=1000, tally={"audience": 400, "rate": 9.0, "counts": counts})

    text = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    assert "400 so far" in text
    assert "43%" in text
    assert "100%" not in text


def cells(browser: Browser, column: str) -> list[str]:
    """From the list, the newest first."""
    text = text_of(browser.get(reverse("admin:notifier_broadcast_changelist")))
    return re.findall(rf'class="field-{column}[^"]*">(.*?)</td>', text)


def count_clients(topic: Topic, **agreed: int) -> None:
    """As the dispatcher does each minute."""
    counts = {"clients": 9, "archived": 0, "consents": {str(topic.pk): agreed}}
    ClientCounts.objects.create(pk=1, counts=counts, counted_at=timezone.now())


@pytest.mark.parametrize("state", [State.SCHEDULED, State.AWAITING_APPROVAL, State.REJECTED, State.CANCELLED])
def test_of_what_has_not_started_no_page_has_another_number_than_its_own(admin: Browser, state: str) -> None:
    """The list had the number of all who agreed, also of those without an address."""
    a_client(listings="both")
    a_client(listings="both", email=None)
    broadcast = a_broadcast(state=state, started_at=None, finished_at=timezone.now() if state == "REJECTED" else None)
    count_clients(broadcast.topic, email=2, sms=2)

    assert cells(admin, "audience_shown") == ["–"]
    if state != State.CANCELLED:
        assert "1 e-mail and 2 SMS, " in text_of(admin.get(page_of(broadcast)))
    if state == State.AWAITING_APPROVAL:
        assert "1 e-mail and 2 SMS" in text_of(
            admin.get(reverse("admin:notifier_broadcast_approve", args=[broadcast.pk]))
        )


def test_what_was_cancelled_midway_promises_nothing_more_on_any_page(admin: Browser) -> None:
    tally = {"audience": 60, "counts": {"email": {"SENT": 40, "CANCELLED": 20}}}
    midway: dict[str, Any] = {"cursor": 3, "audience_upto": 10, "tally": tally, "tallied_at": timezone.now()}
    broadcast = a_broadcast(state=State.CANCELLED, finished_at=timezone.now(), **midway)

    page = " ".join(strip_tags(text_of(admin.get(page_of(broadcast)))).split())

    assert cells(admin, "audience_shown") == ["60"]
    assert "%" not in strip_tags(cells(admin, "sent_share")[0])
    assert "Sent 40 of 60 Remaining 0 20 cancelled" in page
    assert "40 of 60 sent, 20 cancelled" in page
    assert "so far" not in page


def test_the_overview_says_of_how_many_only_once_that_is_known(admin: Browser) -> None:
    tally = {"audience": 60, "counts": {"email": {"SENT": 40, "PENDING": 20}}}
    a_broadcast(cursor=3, audience_upto=10, tally=tally, tallied_at=timezone.now())
    assert "40 sent so far" in text_of(admin.get(reverse("admin:index")))

    Broadcast.objects.update(cursor=10)
    assert "40 of 60 sent" in text_of(admin.get(reverse("admin:index")))

    Broadcast.objects.update(tally={})
    text = text_of(admin.get(reverse("admin:index")))
    assert '<span class="numbers"> Counting… ' in text


def test_a_rejected_follow_up_counts_those_whom_it_would_go_to(admin: Browser) -> None:
    got, _ = (a_client(listings="email") for _ in range(2))
    notification = a_notification(sms_body="")
    first = a_broadcast(notification=notification, state=State.FINISHED, finished_at=timezone.now())
    a_delivery(broadcast=first, client=got, state="SENT", settled_at=timezone.now())
    ended: dict[str, Any] = {"state": State.REJECTED, "finished_at": timezone.now(), "started_at": None}

    rejected = a_broadcast(notification=notification, was_to_follow=first, **ended)

    assert "1 e-mail, if it were sent now" in text_of(admin.get(page_of(rejected)))


def test_a_rejected_broadcast_that_was_resubmitted_promises_no_messages(admin: Browser) -> None:
    a_client(listings="email")
    ended: dict[str, Any] = {"state": State.REJECTED, "finished_at": timezone.now(), "started_at": None}
    rejected = a_broadcast(**ended)
    assert "if it were sent now" in text_of(admin.get(page_of(rejected)))

    a_broadcast(notification=rejected.notification, state=State.AWAITING_APPROVAL, started_at=None)

    text = " ".join(text_of(admin.get(page_of(rejected))).split())
    assert "if it were sent now" not in text
    assert "none: it was rejected" in text


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"state": State.AWAITING_APPROVAL, "scheduled_for": PAST}, "was due 1 May 2026, 09:30"),
        ({"state": State.SCHEDULED, "scheduled_for": PAST}, "was due 1 May 2026, 09:30"),
        ({"state": State.REJECTED, "scheduled_for": PAST}, "was planned for 1 May 2026, 09:30"),
        ({"state": State.SCHEDULED, "scheduled_for": datetime(2999, 5, 1, tzinfo=UTC)}, "starts 1 May 2999, 00:00"),
        ({"state": State.AWAITING_APPROVAL}, "once approved"),
        # The end of the time to undo it is nobody's plan.
        ({"state": State.SCHEDULED, "scheduled_for": PAST, "undo_until": PAST}, "about to start"),
        ({"state": State.CANCELLED, "scheduled_for": PAST, "undo_until": PAST}, "–"),
    ],
)
def test_the_list_tells_the_time_that_was_planned(admin: Browser, fields: dict[str, Any], shown: str) -> None:
    a_broadcast(started_at=None, **fields)

    assert cells(admin, "begun") == [f'{shown} <span class="quiet">by the command line</span>']


# --- The page ---------------------------------------------------------------------------------------------------------
def test_the_page_of_the_row_is_the_progress_page(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    assert admin.get(reverse("admin:notifier_broadcast_change", args=[broadcast.pk]))["Location"] == page_of(broadcast)


def test_the_list_shows_the_numbers_of_the_tally(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    a_delivery(broadcast=broadcast, state="SENT")

    with CaptureQueriesContext(connection) as captured:
        text = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    assert "1,165" in text
    assert page_of(broadcast) in text
    assert not [query["sql"] for query in captured if "notifier_delivery" in query["sql"]]


# --- The record -------------------------------------------------------------------------------------------------------
def test_the_record_of_one_broadcast_is_one_click_away(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    own, other = a_delivery(broadcast=broadcast), a_delivery(broadcast=a_told_broadcast(request_id=uuid.uuid4()))
    url = f"{reverse('admin:notifier_delivery_changelist')}?broadcast__id__exact={broadcast.pk}"

    page = admin.get(url)

    assert url in text_of(admin.get(page_of(broadcast)))
    assert list(page.context["cl"].result_list) == [own]
    assert other not in page.context["cl"].result_list


def test_what_one_client_was_sent_is_one_click_away(admin: Browser) -> None:
    own = a_delivery()
    a_delivery()
    url = f"{reverse('admin:notifier_delivery_changelist')}?client__id__exact={own.client.pk}"

    page = admin.get(url)

    assert url in text_of(admin.get(reverse("admin:notifier_client_change", args=[own.client.pk])))
    assert list(page.context["cl"].result_list) == [own]


def test_the_record_is_searched_by_client(admin: Browser) -> None:
    wanted = a_delivery(client=a_client(name="Åsa Svensson", email="asa@example.com"))
    a_delivery(client=a_client(name="Ann Example"))

    for term in ("svensson", "asa@ex"):
        page = admin.get(reverse("admin:notifier_delivery_changelist"), {"q": term})
        assert list(page.context["cl"].result_list) == [wanted]


# --- The list of broadcasts -------------------------------------------------------------------------------------------
@pytest.mark.both_engines
def test_the_list_of_broadcasts_leads_to_what_needs_a_look(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    text = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    for state in ("FAILED", "UNKNOWN"):
        assert results.list_of(broadcast, state__exact=state).replace("&", "&amp;") in text
    assert "58%" in text


@pytest.mark.both_engines
def test_without_broadcasts_the_list_says_where_one_begins(admin: Browser) -> None:
    text = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    assert "To send a broadcast, open a notification." in text
    assert reverse("admin:notifier_notification_changelist") in text
