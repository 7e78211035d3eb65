"""How staff resolve deliveries: from the list or a delivery's page, over the page that asks."""

import re
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.admin.deliveries import resolve_page
from notifier.delivery import claim_forecast, claims
from notifier.models import Broadcast, Channel, Delivery, Resolution, Suppression
from notifier.runtime import clock
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = pytest.mark.both_engines


VIEW, RESOLVE = "notifier.view_delivery", "notifier.resolve_delivery"
LIST = "admin:notifier_delivery_changelist"
NAMES = ("mark-as-sent", "send-again")
BECOMES = {"mark-as-sent": "SENT", "send-again": "PENDING"}


def page_of(row: Delivery) -> str:
    return reverse("admin:notifier_delivery_change", args=[row.pk])


def asking(name: str, *rows: Delivery, **query: str) -> str:
    chosen = {"ids": ",".join(str(row.pk) for row in rows)} if rows else {}
    return reverse("admin:notifier_delivery_resolve", args=[name], query=chosen | query)


def answer(**changes: str) -> dict[str, str]:
    """What the page posts once it is filled in."""
    return {"why": "in their log", "twice": "on", "seen_at": clock.now().isoformat()} | changes


def act(browser: Browser, name: str, *rows: Delivery, query: str = "", **post: Any) -> Any:
    data = {"action": name.replace("-", "_"), "_selected_action": [row.pk for row in rows], "index": "0"}
    return browser.post(f"{reverse(LIST)}{query}", data | post)


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


def states(*rows: Delivery) -> list[str]:
    return [Delivery.objects.get(pk=row.pk).state for row in rows]


# --- The way there ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_the_ticked_ones_are_carried_to_the_page_that_asks_and_the_list_is_not_forgotten(
    admin: Browser, name: str
) -> None:
    rows = [a_delivery(state="FAILED") for _ in range(3)]

    response = act(admin, name, *rows[:2], query="?state__exact=FAILED&p=0")

    assert urlsplit(response["Location"]).path == urlsplit(asking(name)).path
    assert parse_qs(urlsplit(response["Location"]).query) == {
        "ids": [f"{rows[0].pk},{rows[1].pk}"],
        "list": ["state__exact=FAILED"],
    }
    assert states(*rows) == ["FAILED"] * 3


@pytest.mark.parametrize("name", NAMES)
def test_all_that_the_list_finds_are_carried_as_the_question_and_never_as_ids(admin: Browser, name: str) -> None:
    rows = [a_delivery(state="FAILED") for _ in range(3)]

    response = act(admin, name, rows[0], query="?q=ann&state__exact=FAILED", select_across="1")

    assert parse_qs(urlsplit(response["Location"]).query) == {"list": ["q=ann&state__exact=FAILED"]}


def test_all_of_an_unfiltered_list_are_all(admin: Browser) -> None:
    rows = [a_delivery(state="UNKNOWN") for _ in range(3)]

    response = act(admin, "mark-as-sent", rows[0], select_across="1")
    asked = admin.get(response["Location"])
    admin.post(response["Location"], answer())

    assert asked.context["preview"].number == 3
    assert states(*rows) == ["SENT"] * 3


def test_a_delivery_that_can_be_resolved_has_buttons_for_it(admin: Browser) -> None:
    unknown, skipped, sent = (a_delivery(state=state) for state in ("UNKNOWN", "SKIPPED", "SENT"))

    shown = {row.state: text_of(admin.get(page_of(row))) for row in (unknown, skipped, sent)}

    assert all(asking(name, unknown) in shown["UNKNOWN"] for name in NAMES)
    assert asking("send-again", skipped) in shown["SKIPPED"]
    assert asking("mark-as-sent", skipped) not in shown["SKIPPED"]
    assert "/resolve/" not in shown["SENT"]


# --- The page that asks -----------------------------------------------------------------------------------------------
def test_the_number_to_be_sent_again_is_what_then_goes_out(admin: Browser) -> None:
    one, other = a_broadcast(), a_broadcast(state=Broadcast.State.FINISHED, finished_at=timezone.now())
    rows = [a_delivery(broadcast=broadcast, state="FAILED") for broadcast in (one, one, other)]
    client = a_client(listings="email")
    rows.append(a_delivery(broadcast=other, client=client, state="SKIPPED", address=""))
    for address in (rows[0].address, str(client.email)):
        Suppression.objects.create(channel="email", address=address, reason="bounced", source="BOUNCE")

    asked = text_of(admin.get(asking("send-again", *rows)))
    admin.post(asking("send-again", *rows), answer())

    assert "Send 2 messages again?" in asked
    assert "Send 2 again</button>" in asked
    assert "<strong>2</strong> of these would be skipped: address suppressed (2)" in asked
    assert "will be sent again" not in asked.partition('id="then"')[0]
    assert '<li id="then"> <strong>2</strong> will be sent again' in asked
    taken = [
        claims.claim(
            broadcast_id=broadcast.pk,
            channel=Channel.EMAIL,
            delivery_ids=[row.pk for row in rows],
            token=uuid.uuid4(),
            now=timezone.now(),
        )
        for broadcast in (one, other)
    ]
    assert [len(claim.messages) for claim in taken] == [1, 1]


def test_where_all_would_be_skipped_nothing_is_sent_again(admin: Browser) -> None:
    row = a_delivery(state="FAILED")
    Suppression.objects.create(channel="email", address=row.address, reason="bounced", source="BOUNCE")

    asked = text_of(admin.get(asking("send-again", row)))

    assert "Send again: nothing to do" in asked
    assert re.findall("<strong>(.)</strong> will be sent again", asked) == ["0"]
    assert 'id="do-it"' not in asked


def test_very_many_follow_ups_are_not_asked_one_by_one(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_forecast, "MAX_FOLLOW_UPS", 1)
    rows = [a_delivery(broadcast=a_broadcast(follows=a_broadcast()), state="FAILED") for _ in range(2)]

    asked = text_of(admin.get(asking("send-again", *rows)))

    assert "Send 2 again</button>" in asked
    assert 'id="skipped"' not in asked


def test_the_page_counts_by_state_and_says_what_is_left_and_why(admin: Browser) -> None:
    broadcast, paused = a_broadcast(), a_broadcast(state=Broadcast.State.PAUSED)
    for state in ("FAILED", "FAILED", "UNKNOWN", "SENT", "PENDING"):
        a_delivery(broadcast=broadcast, state=state)
    a_delivery(broadcast=paused, state="FAILED")
    a_delivery(client=a_client(phone=None), channel="sms", broadcast=broadcast, state="SKIPPED", address="")

    again = text_of(admin.get(asking("send-again", list="")))
    mark = text_of(admin.get(asking("mark-as-sent", list="")))

    assert "Send 3 messages again?" in again
    assert "Send 3 again</button>" in again
    for left in (
        "already sent",
        "still being sent",
        "in a paused broadcast (resume it first)",
        "without an address, and the client still has none",
    ):
        assert f"<strong>1</strong> unchanged: {left} </li>" in again
    assert "Mark 4 messages as sent?" in mark
    assert "skipped or cancelled, so never sent" in mark


def test_asking_changes_nothing_and_leaves_no_record(admin: Browser) -> None:
    row = a_delivery(state="FAILED")

    for name in NAMES:
        assert admin.get(asking(name, row)).status_code == 200

    assert states(row) == ["FAILED"]
    assert not Resolution.objects.exists()


def test_what_can_t_be_done_has_no_button_and_says_why(admin: Browser) -> None:
    page = admin.get(asking("mark-as-sent", a_delivery(state="SENT")))

    assert "Mark as sent: nothing to do" in text_of(page)
    assert "already sent" in text_of(page)
    assert 'id="do-it"' not in text_of(page)


def test_the_page_shows_some_of_them_and_takes_as_many_queries_for_thirty_as_for_three(admin: Browser) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page = admin.get(asking("send-again", list=""))
        assert len(page.context["some"]) == min(resolve_page.SHOWN, Delivery.objects.count())
        return len(captured)

    for _ in range(3):
        a_delivery(state="FAILED", broadcast=a_broadcast())
    few = queries()
    for _ in range(27):
        a_delivery(state="FAILED", broadcast=a_broadcast())

    assert queries() == few


def test_it_needs_no_script_and_has_no_style_in_it(admin: Browser) -> None:
    text = text_of(admin.get(asking("send-again", a_delivery(state="UNKNOWN"))))

    assert " style=" not in text
    assert "<style" not in text
    assert "<script>" not in text


# --- Doing it ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_it_is_done_told_with_the_number_recorded_and_leads_back_to_the_list(
    admin: Browser, superuser: User, name: str
) -> None:
    rows = [a_delivery(state="FAILED", detail="550 no") for _ in range(2)]
    other = a_delivery(state="FAILED")

    page = admin.post(asking(name, *rows, list="state__exact=FAILED"), answer(), follow=True)

    assert page.redirect_chain == [(f"{reverse(LIST)}?state__exact=FAILED", 302)]
    said = {"mark-as-sent": "Marked as sent: 2 messages.", "send-again": "To be sent again: 2 messages."}
    assert said[name] in text_of(page)
    assert states(*rows, other) == [BECOMES[name]] * 2 + ["FAILED"]
    resolution = Resolution.objects.get()
    assert (resolution.by, resolution.why, resolution.number) == (superuser, "in their log", 2)


def test_from_a_delivery_s_own_page_it_leads_back_there_and_the_page_tells_the_story(admin: Browser) -> None:
    row = a_delivery(state="UNKNOWN", detail="no answer")

    page = admin.post(asking("mark-as-sent", row), answer(why="ticket 4711"), follow=True)

    assert page.redirect_chain == [(page_of(row), 302)]
    text = text_of(page)
    assert "Marked as sent</a>" in text
    assert "by root" in text
    assert "ticket 4711" in text
    assert "before: no answer" in text
    assert "Unknown</span>" in text


def test_what_was_left_is_told_with_the_numbers_and_why(admin: Browser) -> None:
    rows = [a_delivery(state="FAILED"), a_delivery(state="FAILED", broadcast=a_broadcast(state="PAUSED"))]

    page = admin.post(asking("send-again", *rows), answer(), follow=True)

    assert "To be sent again: 1 message. Unchanged: 1 in a paused broadcast (resume it first)." in text_of(page)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_submit_finds_nothing_and_says_so(admin: Browser, name: str) -> None:
    row = a_delivery(state="UNKNOWN")
    form = answer()
    admin.post(asking(name, row), form)

    page = admin.post(asking(name, row), form, follow=True)

    assert "Nothing was changed. None of these is" in text_of(page)
    assert "Someone else may have decided already" in text_of(page)
    assert Resolution.objects.count() == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("why", ["", "   ", "x" * 301])
def test_without_a_reason_nothing_is_changed_and_it_is_asked_again(admin: Browser, name: str, why: str) -> None:
    row = a_delivery(state="FAILED")

    page = admin.post(asking(name, row), answer(why=why))

    assert page.status_code == 200
    assert "errorlist" in text_of(page)
    assert states(row) == ["FAILED"]


def test_sending_an_unknown_again_needs_the_word_that_it_may_arrive_twice(admin: Browser) -> None:
    row = a_delivery(state="UNKNOWN")
    asked = text_of(admin.get(asking("send-again", row)))

    page = admin.post(asking("send-again", row), answer(twice=""))

    assert "Send them again, even though some may arrive twice" in asked
    assert "Tick this to confirm" in text_of(page)
    assert states(row) == ["UNKNOWN"]
    admin.post(asking("send-again", row), answer())
    assert states(row) == ["PENDING"]


@pytest.mark.parametrize(("name", "state"), [("send-again", "FAILED"), ("mark-as-sent", "UNKNOWN")])
def test_the_word_is_not_asked_for_where_nothing_may_arrive_twice(admin: Browser, name: str, state: str) -> None:
    row = a_delivery(state=state)

    assert "arrive twice" not in text_of(admin.get(asking(name, row)))
    admin.post(asking(name, row), answer(twice=""))

    assert states(row) == [BECOMES[name]]


@pytest.mark.parametrize("seen_at", ["", "yesterday", "2026-11-23T10:00:00"])
def test_a_form_that_the_page_did_not_make_changes_nothing(admin: Browser, seen_at: str) -> None:
    row = a_delivery(state="FAILED")

    page = admin.post(asking("mark-as-sent", row), answer(seen_at=seen_at))

    assert "The form was incomplete, so nothing was changed. Please try again." in text_of(page)
    assert states(row) == ["FAILED"]


@pytest.mark.parametrize("name", NAMES)
def test_what_fails_after_the_page_was_made_is_not_what_was_decided_on(admin: Browser, name: str) -> None:
    now = timezone.now()
    before, after = (a_delivery(state="FAILED", settled_at=now + timedelta(seconds=s)) for s in (-5, 5))

    admin.post(asking(name, list="state__exact=FAILED"), answer(seen_at=now.isoformat()))

    assert states(before, after) == [BECOMES[name], "FAILED"]


def test_a_decision_takes_what_the_search_and_the_filters_of_the_list_find(admin: Browser) -> None:
    wanted = a_delivery(client=a_client(name="Åsa Svensson"), state="FAILED")
    others = [a_delivery(state="FAILED"), a_delivery(client=a_client(name="Åsa Berg"), state="UNKNOWN")]

    admin.post(asking("mark-as-sent", list="q=svensson&state__exact=FAILED"), answer())

    assert states(wanted, *others) == ["SENT", "FAILED", "UNKNOWN"]


@pytest.mark.parametrize("query", [{}, {"ids": ""}, {"ids": "x"}, {"ids": "x", "list": ""}, {"list": "nonsense=1"}])
def test_an_address_that_names_nothing_leads_to_the_list(admin: Browser, query: dict[str, str]) -> None:
    row = a_delivery(state="FAILED")

    for method in (admin.get, admin.post):
        page = method(asking("mark-as-sent", **query), answer(), follow=True)
        assert "Choose the messages from this list." in text_of(page)

    assert states(row) == ["FAILED"]


def test_a_decision_that_does_not_exist_is_not_found(admin: Browser) -> None:
    assert admin.get(asking("explode", a_delivery())).status_code == 404


# --- Rights -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_deciding_needs_its_right_and_that_of_seeing(staff: LogIn, name: str) -> None:
    row = a_delivery(state="UNKNOWN")

    for rights in ((), (VIEW, "notifier.change_delivery", "notifier.control_broadcast"), (RESOLVE,)):
        browser = staff(*rights)
        assert browser.get(asking(name, row)).status_code == 403
        assert browser.post(asking(name, row), answer()).status_code == 403
        assert browser.post(asking(name, list=""), answer()).status_code == 403
    assert states(row) == ["UNKNOWN"]

    assert staff(VIEW, RESOLVE).post(asking(name, row), answer()).status_code == 302
    assert states(row) == [BECOMES[name]]


@pytest.mark.parametrize("name", NAMES)
def test_without_the_right_the_list_offers_nothing_and_carries_nothing_on(staff: LogIn, name: str) -> None:
    row = a_delivery(state="UNKNOWN")
    browser = staff(VIEW)

    assert "Send again" not in text_of(browser.get(reverse(LIST)))
    assert "/resolve/" not in text_of(browser.get(page_of(row)))
    response = act(browser, name, row)

    assert "/resolve/" not in response.get("Location", "")
    assert states(row) == ["UNKNOWN"]


@pytest.mark.parametrize("name", NAMES)
def test_deciding_needs_a_login_and_the_csrf_token(client: Browser, superuser: User, name: str) -> None:
    row = a_delivery(state="UNKNOWN")
    assert client.post(asking(name, row), answer())["Location"].startswith(reverse("admin:login"))

    client.force_login(superuser)
    client.handler.enforce_csrf_checks = True

    assert client.post(asking(name, row), answer()).status_code == 403
    assert states(row) == ["UNKNOWN"]
