"""The progress page, live and still, and the orders that staff give on it."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast, Delivery, Resolution
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_user, an_open_breaker

pytestmark = pytest.mark.both_engines(only_full=True)

State = Broadcast.State
COUNTS = {"email": {"SENT": 1165, "FAILED": 12, "PENDING": 800, "SKIPPED": 18}, "sms": {"UNKNOWN": 3}}
TALLY = {"audience": 1998, "rate": 20.0, "counts": COUNTS}
ORDERS = ("pause", "resume", "cancel", "retry")
WHY = {"why": "the mailbox is back"}
VIEW, CONTROL = "notifier.view_broadcast", "notifier.control_broadcast"
RESOLVE = "notifier.resolve_delivery"


def page_of(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])


def order_of(broadcast: Broadcast, name: str) -> str:
    return reverse("admin:notifier_broadcast_order", args=[broadcast.pk, name])


def a_told_broadcast(**fields: Any) -> Broadcast:
    told: dict[str, Any] = {"tally": TALLY, "tallied_at": timezone.now(), "audience": 1998}
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
    # Nobody has been counted yet: that is not 0.
    assert re.findall(r'class="field-audience_shown">(.*?)</td>', text) == ["–", "1,998"]


# --- The page ---------------------------------------------------------------------------------------------------------
def test_the_page_tells_the_numbers_and_the_balance_from_the_tally(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    text = text_of(admin.get(page_of(broadcast)))

    assert "1,198 of 1,998" in text
    assert 'max="1995" value="1195"' in text
    assert "Audience 1,998 = 800 waiting + 1,165 sent + 12 failed + 3 unknown + 18 skipped" in text
    assert "The books balance" in text
    assert '<dt>Time left, about</dt> <dd class="words"> 40 seconds </dd>' in text


def test_books_that_do_not_balance_are_told_as_they_are(admin: Browser) -> None:
    text = text_of(admin.get(page_of(a_told_broadcast(tally=TALLY | {"audience": 2000}))))

    assert "The books don’t balance: 1,998 counted" in text


def test_the_page_tells_who_started_it_and_what_is_not_running(admin: Browser, superuser: Any) -> None:
    text = text_of(admin.get(page_of(a_told_broadcast(created_by=superuser))))

    assert "by root" in text
    assert "No dispatcher is running. Start one with: python manage.py run_dispatcher" in text
    assert "No SMS consumer is running" in text


def test_the_page_tells_that_a_channel_paused_itself(admin: Browser) -> None:
    an_open_breaker(now=timezone.now())

    for htmx in ({}, {"HX-Request": "true"}):
        text = text_of(admin.get(page_of(a_told_broadcast()), headers=htmx))

        assert "E-mail is paused by itself since" in text
        # A button that is sent anew each second would lose clicks: it stands on the dashboard.
        assert "Try again now" not in text


def test_the_feed_shows_the_newest_with_client_outcome_and_message(admin: Browser) -> None:
    broadcast = a_told_broadcast(notification=a_notification(sms_body="Hello {{ name }}!"))
    now = timezone.now()
    for number in range(60):
        a_delivery(
            broadcast=broadcast,
            client=a_client(name=f"Client {number:02}"),
            channel="sms",
            state="FAILED",
            detail="nobody there",
            settled_at=now + timedelta(seconds=number),
        )

    page = admin.get(page_of(broadcast))

    assert len(page.context["feed"]) == 50
    assert 'Hello Client 59! <span class="quiet">nobody there</span>' in text_of(page)
    assert "Client 09" not in text_of(page)


def test_one_view_costs_the_same_however_many_deliveries_and_never_counts_them(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    a_delivery(broadcast=broadcast, state="SENT")

    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            admin.get(page_of(broadcast))
            poll(admin, broadcast)
        return [query["sql"] for query in captured]

    few = queries()
    for number in range(30):
        a_delivery(broadcast=broadcast, state=Delivery.State.values[number % 8])
    many = queries()

    assert len(many) == len(few)
    deliveries = [sql for sql in many if "notifier_delivery" in sql]
    assert deliveries
    # Those who were spared are counted up to a limit, along an index that holds no row that was sent.
    assert not any("COUNT(" in sql and "LIMIT" not in sql for sql in deliveries)
    assert all("LIMIT 50" in sql or "LIMIT 10001" in sql for sql in deliveries)


def test_without_javascript_the_page_refreshes_itself_until_all_is_settled(admin: Browser) -> None:
    running, finished = a_told_broadcast(), a_told_broadcast(state=State.FINISHED, finished_at=timezone.now())

    assert '<meta http-equiv="refresh" content="3">' in text_of(admin.get(page_of(running)))
    assert "http-equiv" not in text_of(admin.get(page_of(finished)))
    assert "hx-get" not in text_of(admin.get(page_of(finished)))


def test_a_broadcast_that_is_not_there_is_not_found(admin: Browser) -> None:
    assert admin.get(reverse("admin:notifier_broadcast_progress", args=[99])).status_code == 404
    assert admin.get(reverse("admin:notifier_broadcast_change", args=["x"])).status_code == 404


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


# --- Live -------------------------------------------------------------------------------------------------------------
def test_a_poll_answers_with_the_moving_parts_alone(admin: Browser) -> None:
    response = poll(admin, a_told_broadcast())

    assert response.status_code == 200
    assert "<html" not in text_of(response)
    assert "1,198 of 1,998" in text_of(response)
    assert "HX-Request" in response["Vary"]


def test_the_whole_page_and_a_poll_are_kept_apart_by_caches(admin: Browser) -> None:
    assert "HX-Request" in admin.get(page_of(a_told_broadcast()))["Vary"]


@pytest.mark.parametrize("state", [State.FINISHED, State.CANCELLED])
def test_polling_ends_when_all_is_settled_and_counted(admin: Browser, state: str) -> None:
    now = timezone.now()

    assert poll(admin, a_told_broadcast(state=state, finished_at=now)).status_code == 286
    assert poll(admin, a_told_broadcast(state=state, finished_at=now, tallied_at=None)).status_code == 200


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED, State.CANCELLED])
def test_polling_goes_on_while_something_may_change(admin: Browser, state: str) -> None:
    assert poll(admin, a_told_broadcast(state=state)).status_code == 200


def test_buttons_are_swapped_only_when_others_are_due(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    shown = admin.get(page_of(broadcast)).context["controls"]

    same = text_of(poll(admin, broadcast, controls=shown))
    Broadcast.objects.update(state=State.PAUSED)
    other = text_of(poll(admin, broadcast, controls=shown))

    assert "<form" not in same
    assert '<span id="number-retry" hx-swap-oob="true">12</span>' in same
    assert 'id="controls" class="controls" hx-swap-oob="true"' in other
    assert order_of(broadcast, "resume") in other


def test_a_poll_after_logout_leads_to_the_login_page_and_back(client: Browser, db: None) -> None:
    broadcast = a_told_broadcast()

    response = client.get(
        page_of(broadcast),
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{page_of(broadcast)}"},
    )

    assert response.status_code == 200
    assert response["HX-Redirect"] == f"{reverse('admin:login')}?next={page_of(broadcast).replace('/', '%2F')}"
    assert response.content == b""


def test_after_login_nobody_is_sent_to_another_site(client: Browser, db: None) -> None:
    response = client.get(
        page_of(a_told_broadcast()), headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/x"}
    )

    assert "evil" not in response["HX-Redirect"]


def test_a_poll_does_not_extend_the_session(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    ends = timezone.now() + timedelta(minutes=1)
    Session.objects.update(expire_date=ends)

    response = poll(admin, broadcast)

    assert response.status_code == 200
    assert Session.objects.get().expire_date == ends
    assert "sessionid" not in response.cookies


# --- Permissions ------------------------------------------------------------------------------------------------------
def test_seeing_needs_its_permission(staff: LogIn) -> None:
    broadcast = a_told_broadcast()

    assert staff(CONTROL, "notifier.send_broadcast").get(page_of(broadcast)).status_code == 403
    assert staff(VIEW).get(page_of(broadcast)).status_code == 200


def test_the_buttons_are_shown_to_those_who_may_press_them(staff: LogIn) -> None:
    broadcast = a_told_broadcast()

    assert not staff(VIEW).get(page_of(broadcast)).context["buttons"]
    assert len(staff(VIEW, CONTROL).get(page_of(broadcast)).context["buttons"]) == 2
    assert len(staff(VIEW, CONTROL, RESOLVE).get(page_of(broadcast)).context["buttons"]) == 3


@pytest.mark.parametrize("name", ORDERS)
def test_orders_need_their_permission(staff: LogIn, name: str) -> None:
    broadcast = a_told_broadcast(state=State.PAUSED if name == "resume" else State.RUNNING)
    a_delivery(broadcast=broadcast, state="FAILED")
    before = broadcast.state

    for permissions in ((), (VIEW, "notifier.send_broadcast", "notifier.change_broadcast"), (CONTROL,)):
        assert staff(*permissions).post(order_of(broadcast, name)).status_code == 403

    broadcast.refresh_from_db()
    assert broadcast.state == before
    assert Delivery.objects.get().state == "FAILED"


@pytest.mark.parametrize("name", ORDERS)
def test_orders_need_a_login(client: Browser, db: None, name: str) -> None:
    broadcast = a_told_broadcast()

    response = client.post(order_of(broadcast, name))

    assert response["Location"].startswith(reverse("admin:login"))
    broadcast.refresh_from_db()
    assert broadcast.state == State.RUNNING


@pytest.mark.parametrize("name", ORDERS)
def test_orders_need_the_csrf_token(admin: Browser, name: str) -> None:
    broadcast = a_told_broadcast()
    admin.handler.enforce_csrf_checks = True

    assert admin.post(order_of(broadcast, name)).status_code == 403


# --- Orders -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("pause", State.RUNNING, State.PAUSED),
        ("resume", State.PAUSED, State.RUNNING),
        ("cancel", State.RUNNING, State.CANCELLED),
        ("cancel", State.PAUSED, State.CANCELLED),
        ("retry", State.FINISHED, State.RUNNING),
    ],
)
def test_an_order_is_carried_out_and_leads_back(staff: LogIn, name: str, before: str, after: str) -> None:
    broadcast = a_told_broadcast(state=before)
    a_delivery(broadcast=broadcast, state="FAILED")

    response = staff(VIEW, RESOLVE if name == "retry" else CONTROL).post(order_of(broadcast, name), WHY)

    assert response.status_code == 302
    assert response["Location"] == page_of(broadcast)
    broadcast.refresh_from_db()
    assert broadcast.state == after


def test_nothing_is_offered_to_be_sent_again_where_nothing_is_left(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    a_delivery(broadcast=broadcast, state="SENT")

    asked = text_of(admin.get(order_of(broadcast, "retry")))

    assert "This can’t be done: nothing of it is failed any more." in asked
    assert 'id="do-it"' not in asked
    assert 'name="why"' not in asked


def test_a_retry_of_nothing_says_so_and_leaves_the_broadcast_finished(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)

    page = admin.post(order_of(broadcast, "retry"), WHY, follow=True)

    assert "Nothing was changed. None of these is unknown, failed or skipped any more" in text_of(page)
    broadcast.refresh_from_db()
    assert broadcast.state == State.FINISHED


@pytest.mark.parametrize(
    ("name", "before"), [("pause", State.PAUSED), ("cancel", State.FINISHED), ("resume", "RUNNING")]
)
def test_an_order_that_comes_too_late_is_refused_with_the_reason(admin: Browser, name: str, before: str) -> None:
    broadcast = a_told_broadcast(state=before)

    page = admin.post(order_of(broadcast, name), follow=True)

    assert "it now." in text_of(page)
    broadcast.refresh_from_db()
    assert broadcast.state == before


def test_a_retry_asks_first_takes_what_failed_and_keeps_who_and_why(admin: Browser, superuser: Any) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    rows = {state: a_delivery(broadcast=broadcast, state=state) for state in ("FAILED", "UNKNOWN", "SKIPPED")}
    foreign = a_delivery(state="FAILED")

    asked = admin.get(order_of(broadcast, "retry"))
    page = admin.post(order_of(broadcast, "retry"), WHY, follow=True)

    # As it is, and not as the last tally had it.
    assert "Counted just now: 1 is failed and would be sent again." in text_of(asked)
    assert "Send 1 again" in text_of(asked)
    assert "To be sent again: 1 delivery." in text_of(page)
    assert {before for before, row in rows.items() if Delivery.objects.get(pk=row.pk).state != before} == {"FAILED"}
    assert Delivery.objects.get(pk=foreign.pk).state == "FAILED"
    (resolution,) = Resolution.objects.all()
    assert (resolution.by, resolution.why, resolution.action) == (superuser, "the mailbox is back", "SENT_AGAIN")


@pytest.mark.parametrize("why", [{}, {"why": ""}, {"why": "  "}, {"why": "x" * 301}])
def test_a_retry_without_a_reason_asks_again_and_changes_nothing(admin: Browser, why: dict[str, str]) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    row = a_delivery(broadcast=broadcast, state="FAILED")

    page = admin.post(order_of(broadcast, "retry"), why)

    assert page.status_code == 200
    assert "errorlist" in text_of(page)
    row.refresh_from_db()
    assert row.state == "FAILED"


def test_a_retry_of_a_paused_broadcast_says_that_it_must_be_resumed_first(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.PAUSED)
    a_delivery(broadcast=broadcast, state="FAILED")

    page = admin.post(order_of(broadcast, "retry"), WHY, follow=True)

    assert "Nothing was changed. 1 is of a paused broadcast: resume it first." in text_of(page)
    assert Delivery.objects.get().state == "FAILED"


def test_an_expired_one_says_before_it_is_pressed_that_nothing_is_sent_again(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED, expires_at=timezone.now())
    row = a_delivery(broadcast=broadcast, state="FAILED")

    asked = text_of(admin.get(order_of(broadcast, "retry")))
    answer = text_of(admin.post(order_of(broadcast, "retry"), WHY, follow=True))

    assert "1 is of a broadcast that has expired: nothing of it is sent any more." in asked
    assert 'id="do-it"' not in asked
    assert "Nothing was changed. 1 is of a broadcast that has expired" in answer
    assert Delivery.objects.get().state == row.state


def test_who_may_stop_a_broadcast_does_not_send_what_failed_again(staff: LogIn) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED)
    row = a_delivery(broadcast=broadcast, state="FAILED")
    approver = staff(VIEW, CONTROL)

    assert approver.get(order_of(broadcast, "retry")).status_code == 403
    assert approver.post(order_of(broadcast, "retry"), WHY).status_code == 403
    assert not approver.get(page_of(broadcast)).context["buttons"]
    assert Delivery.objects.get(pk=row.pk).state == "FAILED"


def test_what_is_unknown_is_sent_again_where_it_is_resolved_and_nowhere_else(admin: Browser) -> None:
    """That page asks for the tick that it may arrive twice."""
    broadcast = a_told_broadcast(state=State.FINISHED)
    row = a_delivery(broadcast=broadcast, state="UNKNOWN")

    for name in ("retry", "retry-unknown"):
        admin.post(order_of(broadcast, name), WHY)

    assert Delivery.objects.get(pk=row.pk).state == "UNKNOWN"


def test_cancelling_asks_with_the_numbers(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    text = text_of(admin.get(order_of(broadcast, "cancel")))

    assert "1,165 of 1,998 are sent. 800 have not gone out yet." in text
    broadcast.refresh_from_db()
    assert broadcast.state == State.RUNNING


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_an_order_is_never_given_by_following_a_link(admin: Browser, name: str) -> None:
    assert admin.get(order_of(a_told_broadcast(), name)).status_code == 405


def test_an_order_that_does_not_exist_is_not_found(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    assert admin.post(order_of(broadcast, "explode")).status_code == 404
    assert admin.post(reverse("admin:notifier_broadcast_order", args=[99, "pause"])).status_code == 404


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (State.RUNNING, ["pause", "retry", "cancel"]),
        (State.PAUSED, ["resume", "cancel"]),
        (State.CANCELLED, []),
        (State.FINISHED, ["retry"]),
    ],
)
def test_only_what_is_possible_has_a_button(admin: Browser, state: str, names: list[str]) -> None:
    buttons = admin.get(page_of(a_told_broadcast(state=state))).context["buttons"]

    assert [order.name for order, _ in buttons] == names


def test_nothing_to_retry_shows_no_button_for_it(admin: Browser) -> None:
    nothing = {"audience": 1, "rate": 0.0, "counts": {"email": {"SENT": 1}}}

    assert not admin.get(page_of(a_told_broadcast(state=State.FINISHED, tally=nothing))).context["buttons"]


# --- The record -------------------------------------------------------------------------------------------------------
def test_the_record_of_one_broadcast_is_one_click_away(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    own, other = a_delivery(broadcast=broadcast), a_delivery(broadcast=a_told_broadcast(request_id=uuid.uuid4()))
    address = f"{reverse('admin:notifier_delivery_changelist')}?broadcast__id__exact={broadcast.pk}"

    page = admin.get(address)

    assert address in text_of(admin.get(page_of(broadcast)))
    assert list(page.context["cl"].result_list) == [own]
    assert other not in page.context["cl"].result_list


def test_what_one_client_was_sent_is_one_click_away(admin: Browser) -> None:
    own = a_delivery()
    a_delivery()
    address = f"{reverse('admin:notifier_delivery_changelist')}?client__id__exact={own.client.pk}"

    page = admin.get(address)

    assert address in text_of(admin.get(reverse("admin:notifier_client_change", args=[own.client.pk])))
    assert list(page.context["cl"].result_list) == [own]


def test_the_record_is_searched_by_client(admin: Browser) -> None:
    wanted = a_delivery(client=a_client(name="Åsa Svensson", email="asa@example.com"))
    a_delivery(client=a_client(name="Ann Example"))

    for term in ("svensson", "asa@ex"):
        page = admin.get(reverse("admin:notifier_delivery_changelist"), {"q": term})
        assert list(page.context["cl"].result_list) == [wanted]
