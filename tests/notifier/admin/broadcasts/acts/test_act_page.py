"""What is behind the buttons of the progress page: who may press them, and what they answer."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Broadcast, Delivery
from tests.notifier.admin.broadcasts.acts.test_retry_failed import WHY
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast, act_url, page_of, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_delivery
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

VIEW, CONTROL = "notifier.view_broadcast", "notifier.control_broadcast"
RESOLVE = "notifier.resolve_delivery"
State = Broadcast.State
ACTS = ("pause", "resume", "cancel", "retry")


def test_the_buttons_are_shown_to_those_who_may_press_them(staff: LogIn) -> None:
    broadcast = a_told_broadcast()

    assert not staff(VIEW).get(page_of(broadcast)).context["buttons"]
    assert len(staff(VIEW, CONTROL).get(page_of(broadcast)).context["buttons"]) == 2
    assert len(staff(VIEW, CONTROL, RESOLVE).get(page_of(broadcast)).context["buttons"]) == 3


@pytest.mark.parametrize("name", ACTS)
def test_acts_need_their_permission(staff: LogIn, name: str) -> None:
    broadcast = a_told_broadcast(state=State.PAUSED if name == "resume" else State.RUNNING)
    a_delivery(broadcast=broadcast, state="FAILED")
    before = broadcast.state

    for permissions in ((), (VIEW, "notifier.send_broadcast", "notifier.change_broadcast"), (CONTROL,)):
        assert staff(*permissions).post(act_url(broadcast, name)).status_code == 403

    broadcast.refresh_from_db()
    assert broadcast.state == before
    assert Delivery.objects.get().state == "FAILED"


@pytest.mark.parametrize("name", ACTS)
def test_acts_need_a_login(client: Browser, db: None, name: str) -> None:
    broadcast = a_told_broadcast()

    response = client.post(act_url(broadcast, name))

    assert response["Location"].startswith(reverse("admin:login"))
    broadcast.refresh_from_db()
    assert broadcast.state == State.RUNNING


@pytest.mark.parametrize("name", ACTS)
def test_acts_need_the_csrf_token(admin: Browser, name: str) -> None:
    broadcast = a_told_broadcast()
    admin.handler.enforce_csrf_checks = True

    assert admin.post(act_url(broadcast, name)).status_code == 403


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
def test_an_act_is_carried_out_and_leads_back(staff: LogIn, name: str, before: str, after: str) -> None:
    broadcast = a_told_broadcast(state=before)
    a_delivery(broadcast=broadcast, state="FAILED")

    response = agree_to(staff(VIEW, RESOLVE if name == "retry" else CONTROL), act_url(broadcast, name), **WHY)

    assert response.status_code == 302
    assert response["Location"] == page_of(broadcast)
    broadcast.refresh_from_db()
    assert broadcast.state == after


@pytest.mark.parametrize(
    ("name", "before"), [("pause", State.PAUSED), ("cancel", State.FINISHED), ("resume", "RUNNING")]
)
def test_an_act_that_comes_too_late_is_refused_with_the_reason(admin: Browser, name: str, before: str) -> None:
    broadcast = a_told_broadcast(state=before)

    page = admin.post(act_url(broadcast, name), follow=True)

    assert "it now." in text_of(page)
    broadcast.refresh_from_db()
    assert broadcast.state == before


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_an_act_is_never_done_by_following_a_link(admin: Browser, name: str) -> None:
    assert admin.get(act_url(a_told_broadcast(), name)).status_code == 405


def test_an_act_that_does_not_exist_is_not_found(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    assert admin.post(act_url(broadcast, "explode")).status_code == 404
    assert admin.post(reverse("admin:notifier_broadcast_act", args=[99, "pause"])).status_code == 404


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
