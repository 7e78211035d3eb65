"""Broadcasts to a saved audience: what is frozen when, and what an edit of the audience does to those that wait."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from notifier.broadcasts import acts, approvals, audience_edits, followups, lifecycle, schedules
from notifier.broadcasts.approvals import OwnRequest
from notifier.broadcasts.lifecycle import AudienceSeen, ChangedMeanwhile
from notifier.broadcasts.send_options import AT_ONCE, SendOptions
from notifier.delivery import fanout
from notifier.fields import tags
from notifier.fields.applying import ChangeOrigin
from notifier.models import Broadcast, ClientTag, SavedAudience, Tag
from notifier.runtime.versions import NotAsShown
from notifier.saved_audiences import compiling, freezing
from notifier.saved_audiences import document as documents
from notifier.saved_audiences.document import BrokenAudience, Document, Group, Line
from tests.support.factories import a_client, a_notification, a_saved_audience, a_tag, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State
HOUR = timedelta(hours=1)


@pytest.fixture
def vip(db: None) -> Tag:
    return a_tag("VIP")


@pytest.fixture
def audience(vip: Tag) -> SavedAudience:
    return a_saved_audience(Line("tag", "has", vip.pk), name="Best")


def seen(audience: SavedAudience) -> AudienceSeen:
    audience.refresh_from_db()
    return AudienceSeen(audience.pk, audience.updated_at)


def ask(audience: SavedAudience, now: datetime, *, by: User | None = None, options: SendOptions = AT_ONCE) -> Broadcast:
    notification = a_notification()
    return lifecycle.create(
        seen={notification.pk: notification.updated_at},
        token=uuid.uuid4(),
        by=by,
        now=now,
        options=options,
        audience=seen(audience),
    )[0]


def edit(audience: SavedAudience, line: Line, now: datetime, *, by: User | None = None, **values: Any) -> int:
    fields: dict[str, Any] = {"name": audience.name, "description": "", "seen": seen(audience).updated_at} | values
    document = Document((line,))
    return audience_edits.save(audience_id=audience.pk, document=document, by=by or a_user(), now=now, **fields)


def test_a_broadcast_keeps_the_conditions_and_how_they_read(audience: SavedAudience, now: datetime) -> None:
    made = ask(audience, now)

    assert documents.parse(made.audience_document) == documents.parse(audience.document)
    assert made.audience_text == "All of these apply:\n- Has the tag “VIP”"
    assert (made.audience_name, made.saved_audience) == ("Best", audience)


def test_what_has_begun_keeps_its_conditions_and_what_waits_takes_the_new_ones(
    audience: SavedAudience, now: datetime
) -> None:
    begun, waits = ask(audience, now), ask(audience, now, options=SendOptions(scheduled_for=now + HOUR))
    before = begun.audience_text

    assert edit(audience, Line("time_zone", "known"), now) == 1

    begun.refresh_from_db()
    waits.refresh_from_db()
    assert (begun.audience_text, begun.state) == (before, State.RUNNING)
    assert waits.audience_text == "All of these apply:\n- Time zone has a value"
    assert (waits.state, waits.audience_of) == (State.SCHEDULED, seen(audience).updated_at)


def test_an_edit_asks_for_the_approval_anew_and_its_editor_cannot_give_it(
    audience: SavedAudience, vip: Tag, now: datetime, settings: Any
) -> None:
    settings.APPROVAL_ABOVE = 0
    ClientTag.objects.create(client=a_client(listings="both"), tag=vip)
    editor, other = a_user("notifier.approve_broadcast"), a_user("notifier.approve_broadcast")
    made = ask(audience, now, by=a_user(), options=SendOptions(scheduled_for=now + HOUR))
    shown = acts.version(made)
    approvals.approve(broadcast_id=made.pk, by=other, now=now, seen=shown)

    edit(audience, Line("tag", "has", vip.pk, (), True), now, by=editor)

    made.refresh_from_db()
    assert (made.state, made.approved_by) == (State.AWAITING_APPROVAL, None)
    with pytest.raises(NotAsShown):
        approvals.approve(broadcast_id=made.pk, by=other, now=now, seen=shown)
    with pytest.raises(OwnRequest, match="changed the audience"):
        approvals.approve(broadcast_id=made.pk, by=editor, now=now, seen=acts.version(made))
    approvals.approve(broadcast_id=made.pk, by=other, now=now, seen=acts.version(made))


def test_a_new_name_alone_asks_nobody(audience: SavedAudience, vip: Tag, now: datetime) -> None:
    made = ask(audience, now, options=SendOptions(scheduled_for=now + HOUR))

    assert edit(audience, Line("tag", "has", vip.pk), now, name="Better") == 0

    made.refresh_from_db()
    assert made.state == State.SCHEDULED


def test_nobody_sends_to_an_audience_that_they_have_not_seen(audience: SavedAudience, now: datetime) -> None:
    old = seen(audience)
    edit(audience, Line("time_zone", "known"), now)
    notification = a_notification()

    with pytest.raises(ChangedMeanwhile, match="audience has been changed"):
        lifecycle.create(
            seen={notification.pk: notification.updated_at}, token=uuid.uuid4(), by=None, now=now, audience=old
        )

    assert not Broadcast.objects.exists()


def test_nobody_overwrites_what_they_have_not_seen(audience: SavedAudience, now: datetime) -> None:
    old = seen(audience).updated_at
    edit(audience, Line("time_zone", "known"), now)

    with pytest.raises(NotAsShown):
        edit(audience, Line("time_zone", "known", 0, (), True), now, seen=old)


def test_an_audience_that_something_waits_for_is_not_deleted(audience: SavedAudience, now: datetime) -> None:
    made = ask(audience, now, options=SendOptions(scheduled_for=now + HOUR))

    assert "is still to go to it" in audience_edits.delete(audience_id=audience.pk)
    lifecycle.cancel(broadcast_id=made.pk)
    assert not audience_edits.delete(audience_id=audience.pk)

    made.refresh_from_db()
    assert (made.saved_audience_id, made.audience_name) == (None, "Best")


def test_only_those_in_it_count_for_whether_it_needs_approval(
    audience: SavedAudience, vip: Tag, now: datetime, settings: Any
) -> None:
    settings.APPROVAL_ABOVE = 1
    ClientTag.objects.create(client=a_client(listings="email"), tag=vip)
    for _ in range(3):
        a_client(listings="both")

    made = ask(audience, now, by=a_user(), options=SendOptions(scheduled_for=now + HOUR))
    assert not made.needs_approval

    # It has grown by its time.
    ClientTag.objects.create(client=a_client(listings="both"), tag=vip)
    schedules.start_due(now=now + HOUR)
    made.refresh_from_db()
    assert made.state == State.AWAITING_APPROVAL


def test_a_follow_up_goes_to_the_same_conditions(audience: SavedAudience, now: datetime) -> None:
    made = ask(audience, now)
    Broadcast.objects.filter(pk=made.pk).update(state=State.FINISHED, finished_at=now)

    follower = followups.create(broadcast_id=made.pk, token=uuid.uuid4(), by=None, now=now)

    assert follower.audience_document == Broadcast.objects.get(pk=made.pk).audience_document
    assert follower.saved_audience == audience


def test_an_audience_of_a_tag_that_is_gone_is_sent_to_nobody(audience: SavedAudience, vip: Tag, now: datetime) -> None:
    Tag.objects.filter(pk=vip.pk).delete()

    with pytest.raises(BrokenAudience, match="deleted"):
        ask(audience, now)

    assert not Broadcast.objects.exists()


def test_what_waits_reads_as_a_tag_is_called_now_and_what_began_as_it_was_called_then(
    audience: SavedAudience, vip: Tag, now: datetime
) -> None:
    a_client()
    made = ask(audience, now, options=SendOptions(scheduled_for=now + HOUR))

    tags.rename(tag=vip, name="Gold", now=now)
    waiting = freezing.text_of(made)
    schedules.start_due(now=now + HOUR)
    fanout.expand(broadcast_id=made.pk, now=now + HOUR)
    tags.rename(tag=vip, name="Platinum", now=now + 2 * HOUR)
    made.refresh_from_db()

    assert waiting == "All of these apply:\n- Has the tag “Gold”"
    assert freezing.text_of(made) == waiting


# --- A tag that is merged into another --------------------------------------------------------------------------------
def merge(tag: Tag, into: Tag, now: datetime) -> int:
    return tags.merge(tag=tag, into=into, origin=ChangeOrigin(by=a_user(), reason="merged"), now=now)


def test_an_audience_follows_a_tag_that_is_merged_and_what_waits_is_approved_anew(
    audience: SavedAudience, vip: Tag, now: datetime
) -> None:
    gold, client = a_tag("Gold"), a_client()
    ClientTag.objects.create(client=client, tag=vip)
    group = Group((Line("tag", "has", vip.pk), Line("time_zone", "known")), "any", True)
    other = a_saved_audience(group, name="Others")
    waits = ask(audience, now, options=SendOptions(scheduled_for=now + HOUR))
    Broadcast.objects.filter(pk=waits.pk).update(needs_approval=True, approved_by=a_user(), approved_at=now)

    assert merge(vip, gold, now) == 1

    audience.refresh_from_db()
    other.refresh_from_db()
    waits.refresh_from_db()
    assert documents.parse(audience.document) == Document((Line("tag", "has", gold.pk),))
    assert documents.parse(other.document).named("tag") == {gold.pk}
    assert documents.parse(waits.audience_document) == documents.parse(audience.document)
    assert "Gold" in waits.audience_text
    assert (waits.state, waits.approved_by) == (State.AWAITING_APPROVAL, None)
    assert list(ClientTag.objects.values_list("client", "tag")) == [(client.pk, gold.pk)]
    assert not Tag.objects.filter(pk=vip.pk).exists()


def test_nobody_drops_out_of_an_audience_while_a_tag_is_merged(
    audience: SavedAudience, vip: Tag, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    gold, clients = a_tag("Gold"), [a_client() for _ in range(5)]
    ClientTag.objects.bulk_create(ClientTag(client=client, tag=vip) for client in clients)
    counts: list[int] = []
    set_for_many = tags.set_for_many

    def counting(**values: Any) -> int:
        done = set_for_many(**values)
        counts.append(compiling.of_saved(SavedAudience.objects.get(), now=now).clients().count())
        return done

    monkeypatch.setattr(tags, "set_for_many", counting)
    monkeypatch.setattr(tags, "CHUNK", 2)

    assert merge(vip, gold, now) == 5

    assert set(counts) == {5}
    assert len(counts) > 5


def test_a_tag_is_not_merged_while_a_broadcast_goes_by_it(audience: SavedAudience, vip: Tag, now: datetime) -> None:
    gold, going = a_tag("Gold"), ask(audience, now)

    with pytest.raises(ValidationError, match="can’t be merged yet"):
        merge(vip, gold, now)
    assert Tag.objects.filter(pk=vip.pk).exists()

    Broadcast.objects.filter(pk=going.pk).update(state=State.FINISHED, finished_at=now)
    merge(vip, gold, now)
    assert not Tag.objects.filter(pk=vip.pk).exists()


def test_a_tag_is_not_merged_into_one_that_the_same_audience_names(vip: Tag, now: datetime) -> None:
    gold = a_tag("Gold")
    a_saved_audience(Line("tag", "has", vip.pk), Line("tag", "has", gold.pk, (), True), name="Silver")

    with pytest.raises(ValidationError, match="The audience “Silver” has conditions about both “VIP” and “Gold”"):
        merge(vip, gold, now)

    assert Tag.objects.filter(pk=vip.pk).exists()
