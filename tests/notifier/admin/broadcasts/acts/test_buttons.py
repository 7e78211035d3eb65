"""Each act has its button exactly in the states of the table, and its address answers."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.admin.broadcasts.acts.buttons import BUTTONS
from notifier.broadcasts import acts
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast
from tests.support.factories import a_broadcast, a_client, a_delivery, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines(only_full=True)]

State = Broadcast.State
#: What each act has on the progress page, by its id there.
CONTROLS = {
    **{button.act: f"act-{button.name}" for button in BUTTONS.values()},
    # One page to read it, which has both buttons.
    Act.APPROVE: "look-and-approve",
    Act.REJECT: "look-and-approve",
    Act.RESCHEDULE: "change-the-time",
    Act.FOLLOW_UP: "step-follow",
    Act.UNDO: "undo-it",
    # While it runs, and once it has ended.
    Act.SEND_AGAIN: "act-retry step-retry",
}
EVERY_PAIR = list(product(Act, State))
#: Sent so short a while ago that it can be undone.
JUST_SENT = dict.fromkeys(("scheduled_for", "undo_until"), timezone.now() + timedelta(days=1))


def a_broadcast_in(state: Broadcast.State, **fields: Any) -> Broadcast:
    """Nothing but its state stands in the way of an act; something of it has failed, and somebody missed it."""
    a_client(listings="email")
    now = timezone.now()
    values: dict[str, Any] = {
        "state": state,
        "needs_approval": state == State.AWAITING_APPROVAL,
        "created_by": a_user(username="somebody else"),
        "scheduled_for": now + timedelta(days=1) if state == State.SCHEDULED else None,
        "started_at": None if state in Broadcast.BEFORE_START else now,
        "finished_at": now if state in (State.CANCELLED, State.FINISHED) else None,
        "tally": {"audience": 3, "rate": 0, "counts": {"email": {"SENT": 2, "FAILED": 1}}},
        "tallied_at": now,
        "audience": 3,
    }
    return a_broadcast(**values | fields)


def page_text(browser: Browser, broadcast: Broadcast) -> str:
    return browser.get(reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])).content.decode()


def is_shown(browser: Browser, broadcast: Broadcast, act: Act) -> bool:
    text = page_text(browser, broadcast)
    return any(f'id="{name}"' in text for name in CONTROLS[act].split())


def test_every_act_has_its_button() -> None:
    assert set(CONTROLS) == set(Act)


@pytest.mark.parametrize(("act", "state"), EVERY_PAIR)
def test_the_button_is_shown_in_the_states_of_the_table_and_in_no_other(
    admin: Browser, act: Act, state: Broadcast.State
) -> None:
    is_about_sending = act in (Act.UNDO, Act.PAUSE) and state == State.SCHEDULED
    broadcast = a_broadcast_in(state, **(JUST_SENT if is_about_sending else {}))
    a_delivery(broadcast=broadcast, state="FAILED")

    assert is_shown(admin, broadcast, act) == acts.is_allowed(act, broadcast)


@pytest.mark.parametrize(
    ("act", "state", "fields"),
    [
        # Its time is part of what a second person approves.
        (Act.START_NOW, State.SCHEDULED, {"needs_approval": True}),
        # It was planned: there is nothing to take back, nor to pause.
        (Act.UNDO, State.SCHEDULED, {}),
        (Act.PAUSE, State.SCHEDULED, {}),
        # It was just sent, and starts by itself in a moment.
        (Act.START_NOW, State.SCHEDULED, JUST_SENT),
        (Act.RESCHEDULE, State.SCHEDULED, JUST_SENT),
        # Nothing of it has failed.
        (Act.SEND_AGAIN, State.FINISHED, {"tally": {"audience": 3, "counts": {"email": {"SENT": 3}}}}),
        # Nothing of it is sent any more.
        (Act.SEND_AGAIN, State.FINISHED, {"expires_at": timezone.now()}),
        # The dispatcher has not settled all of it yet.
        (Act.FOLLOW_UP, State.CANCELLED, {"finished_at": None}),
    ],
)
def test_some_acts_have_a_condition_besides_the_state(
    admin: Browser, act: Act, state: Broadcast.State, fields: dict[str, Any]
) -> None:
    assert not is_shown(admin, a_broadcast_in(state, **fields), act)


def test_nobody_decides_about_what_they_asked_for(admin: Browser, superuser: object) -> None:
    broadcast = a_broadcast_in(State.AWAITING_APPROVAL, created_by=superuser)

    assert not is_shown(admin, broadcast, Act.APPROVE)


def test_what_a_follow_up_has_taken_over_is_neither_retried_nor_followed_again(admin: Browser) -> None:
    broadcast = a_broadcast_in(State.FINISHED)
    a_broadcast(follows=broadcast, notification=broadcast.notification)

    assert not is_shown(admin, broadcast, Act.SEND_AGAIN)
    assert not is_shown(admin, broadcast, Act.FOLLOW_UP)


@pytest.mark.parametrize("name", [name for name, button in BUTTONS.items() if not button.asks])
def test_what_asks_nothing_takes_only_a_post(admin: Browser, name: str) -> None:
    broadcast = a_broadcast_in(State.RUNNING)

    assert admin.get(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, name])).status_code == 405


@pytest.mark.parametrize("name", [name for name, button in BUTTONS.items() if button.asks])
def test_what_asks_first_changes_nothing_by_being_looked_at(admin: Browser, name: str) -> None:
    state = State.SCHEDULED if name == "start-now" else State.RUNNING
    broadcast = a_broadcast_in(state)

    page = admin.get(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, name]))

    assert page.status_code == 200
    broadcast.refresh_from_db()
    assert broadcast.state == state


def test_there_is_no_act_of_another_name(admin: Browser) -> None:
    broadcast = a_broadcast_in(State.RUNNING)

    assert admin.get(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "explode"])).status_code == 404
