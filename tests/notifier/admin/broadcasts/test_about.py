"""Each broadcast's page says what it is, in every state."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.models import Broadcast, BroadcastChange, Client, SavedAudience
from notifier.saved_audiences import freezing
from notifier.saved_audiences.document import Line
from notifier.staff import groups
from tests.notifier.admin.broadcasts.test_broadcast_admin import page_of, poll, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_saved_audience, a_user

pytestmark = pytest.mark.both_engines(only_full=True)

State = Broadcast.State
HOUR = timedelta(hours=1)


def a_broadcast_in(state: Broadcast.State) -> Broadcast:
    """Asked for by ann, approved by bob, and planned for a time."""
    now, begun = timezone.now(), state not in (*Broadcast.BEFORE_START, State.REJECTED)
    ended = now if state in (State.CANCELLED, State.FINISHED, State.REJECTED) else None
    fields: dict[str, Any] = {
        "state": state,
        "created_by": a_user(username="ann"),
        "scheduled_for": now - HOUR if begun else now + HOUR,
        "started_at": now if begun else None,
        "finished_at": ended,
        "tallied_at": ended,
    }
    if state not in (State.AWAITING_APPROVAL, State.REJECTED):
        fields |= {"approved_by": a_user(username="bob"), "approved_at": now}
    notification = a_notification(subject="Hi {{ first_name }}", sms_body="Come and see, {{ name }}")
    return a_broadcast(notification=notification, audience_upto=0, **fields)


@pytest.mark.parametrize("state", State)
def test_in_every_state_the_page_shows_text_audience_time_people_and_notification(
    admin: Browser, state: Broadcast.State
) -> None:
    a_client(name="Cleo Client", listings="both")
    broadcast = a_broadcast_in(state)

    text = text_of(admin.get(page_of(broadcast)))

    assert "Come and see, Cleo Client" in text
    assert reverse("admin:notifier_broadcast_email_preview", args=[broadcast.pk]) in text
    assert " to Listings by e-mail and SMS" in text
    assert "<dt>Created by</dt> <dd> ann, " in text
    assert reverse("admin:notifier_notification_change", args=[broadcast.notification_id]) in text
    assert any(word in text for word in ("<dt>Scheduled for</dt>", "<dt>Starts</dt>", "Starts at"))
    if broadcast.approved_by:
        assert "<dt>Approved by</dt> <dd> bob, " in text


@pytest.mark.parametrize("state", State)
def test_no_placeholder_stands_raw_on_the_page_or_in_a_list(admin: Browser, state: Broadcast.State) -> None:
    a_broadcast_in(state)

    pages = [page_of(Broadcast.objects.get()), reverse("admin:index")]
    pages += [reverse(f"admin:notifier_{name}_changelist") for name in ("broadcast", "notification")]
    for page in pages:
        text = text_of(admin.get(page))
        assert "{{ first_name }}" not in text
        assert "Hi [first name]" in text or page == reverse("admin:index")


def test_the_end_of_the_time_to_undo_it_is_no_time_that_it_was_scheduled_for(admin: Browser) -> None:
    broadcast = a_broadcast_in(State.RUNNING)
    Broadcast.objects.update(undo_until=broadcast.scheduled_for)

    assert "Scheduled for" not in text_of(admin.get(page_of(broadcast)))


def test_whoever_changed_it_is_named_after_it_began_too(admin: Browser) -> None:
    broadcast = a_broadcast_in(State.FINISHED)
    carl = a_user(username="carl")
    BroadcastChange.objects.create(broadcast=broadcast, by=carl, what="TEXT", at=timezone.now())

    assert "<dt>Text changed by</dt> <dd> carl, " in text_of(admin.get(page_of(broadcast)))


def test_a_follow_up_names_whom_it_leaves_out(admin: Browser) -> None:
    first = a_broadcast_in(State.FINISHED)
    second = a_broadcast(notification=first.notification, follows=first)

    assert f'and did not get <a href="{page_of(first)}">#{first.pk}</a>' in text_of(admin.get(page_of(second)))


def test_who_may_see_no_client_reads_it_with_an_invented_name(staff: LogIn) -> None:
    a_client(name="Cleo Client", listings="both")
    broadcast = a_broadcast_in(State.RUNNING)

    text = text_of(staff(groups.VIEW_BROADCAST).get(page_of(broadcast)))

    assert "Come and see, Alex Example" in text
    assert "Cleo" not in text
    assert "/notification/" not in text


@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.SCHEDULED, State.RUNNING, State.FINISHED])
def test_it_is_shown_as_somebody_in_its_audience_reads_it(admin: Browser, state: Broadcast.State) -> None:
    a_client(name="Anna Outside", listings="both")
    a_client(name="Berta Inside", listings="both", time_zone="Europe/Berlin")
    broadcast = a_broadcast_in(state)
    Broadcast.objects.filter(pk=broadcast.pk).update(**freezing.columns(a_saved_audience(Line("time_zone", "known"))))

    pages = [page_of(broadcast)]
    if state == State.AWAITING_APPROVAL:
        pages.append(reverse("admin:notifier_broadcast_approve", args=[broadcast.pk]))

    for page in pages:
        text = text_of(admin.get(page))
        assert "Come and see, Berta Inside" in text
        assert "Anna Outside" not in text
    assert "#audience-card" in text_of(admin.get(page_of(broadcast)))


def test_who_is_in_its_audience_no_more_got_it_all_the_same(admin: Browser) -> None:
    client = a_client(name="Berta Inside", listings="both", time_zone="Europe/Berlin")
    broadcast = a_broadcast_in(State.FINISHED)
    audience: SavedAudience = a_saved_audience(Line("time_zone", "known"))
    Broadcast.objects.filter(pk=broadcast.pk).update(**freezing.columns(audience))
    a_delivery(broadcast=broadcast, client=client, channel="sms", state="SENT")
    Client.objects.update(time_zone="")

    assert "Come and see, Berta Inside" in text_of(admin.get(page_of(broadcast)))


def test_the_text_is_not_sent_with_every_poll_nor_shown_on_a_wall(admin: Browser) -> None:
    broadcast = a_broadcast_in(State.RUNNING)

    assert "Come and see" not in text_of(poll(admin, broadcast))
    assert "Come and see" not in text_of(admin.get(page_of(broadcast), {"wall": "1"}))
    assert "About this broadcast" not in text_of(admin.get(page_of(broadcast), {"wall": "1"}))


@pytest.mark.parametrize(
    ("state", "time", "shown"),
    [
        (State.SCHEDULED, "2099-01-02T16:00+00:00", "starts 2 Jan 2099, 16:00"),
        (State.AWAITING_APPROVAL, "2099-01-02T16:00+00:00", "starts 2 Jan 2099, 16:00"),
        (State.AWAITING_APPROVAL, None, "once approved"),
        (State.AWAITING_APPROVAL, "2001-01-02T16:00+00:00", "was due 2 Jan 2001, 16:00"),
        (State.SCHEDULED, "2001-01-02T16:00+00:00", "was due 2 Jan 2001, 16:00"),
        (State.CANCELLED, None, "–"),
    ],
)
def test_the_list_says_when_what_has_not_begun_starts(
    admin: Browser, state: Broadcast.State, time: str | None, shown: str
) -> None:
    a_broadcast(state=state, started_at=None, scheduled_for=time, created_by=a_user(username="ann"))

    text = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    assert f'{shown} <span class="quiet">by ann</span>' in text
