from datetime import datetime, timedelta
from typing import Any

import pytest

from notifier.clients.erasure import erase
from notifier.explanations import explanation, membership
from notifier.fields import definitions, tags, values
from notifier.fields.applying import ChangeOrigin
from notifier.models import Broadcast, Client, Delivery, Tag
from notifier.saved_audiences import freezing
from notifier.saved_audiences.document import Document, Group, Line
from notifier.saved_audiences.saving import create
from tests.support.factories import a_broadcast, a_client, a_delivery, a_field, a_saved_audience, a_tag

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

HOUR = timedelta(hours=1)


def sent_to(*lines: Line, now: datetime, **fields: Any) -> Broadcast:
    upto = Client.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    frozen = freezing.columns(a_saved_audience(*lines, name="Best"))
    return a_broadcast(**frozen, started_at=now - HOUR, cursor=upto, finished_at=now, **fields)


def test_a_client_who_was_not_in_it_reads_which_condition_did_not_hold(now: datetime) -> None:
    client, vip = a_client(listings="both", time_zone="Europe/Berlin"), a_tag("VIP")
    broadcast = sent_to(Line("tag", "has", vip.pk), Line("time_zone", "known"), now=now)

    email, _sms = explanation.explain(client=client, broadcast=broadcast, now=now)

    assert email.sentence == (
        "Ann Example did not get the e-mail: it went only to the audience “Best”, and they were not in it when it "
        "started. This did not hold: Has the tag “VIP”."
    )


def test_what_a_client_has_now_is_taken_back_to_what_they_had_then(now: datetime) -> None:
    client, vip = a_client(listings="both"), a_tag("VIP")
    town = next(iter(definitions.of(a_field(kind="TEXT"))))

    def change(moment: datetime, text: str | None, tags: dict[Tag, bool]) -> None:
        values.set_values(client_id=client.pk, values={town: text}, tags=tags, origin=ChangeOrigin(), now=moment)

    change(now - 3 * HOUR, "Bonn", {vip: True})
    broadcast = sent_to(Line("field", "one_of", town.id, ("Bonn",)), Line("tag", "has", vip.pk), now=now)
    change(now - HOUR / 2, "Köln", {vip: False})
    change(now - HOUR / 3, None, {})

    found = [membership.of(client, broadcast, moment) for moment in (now - 4 * HOUR, now - HOUR, now)]

    assert [[held for _, held in one.answers] for one in found if one] == [[False, False], [True, True], [False, False]]
    assert [one.was_in for one in found if one] == [False, True, False]


def test_whoever_left_before_their_turn_reads_that(now: datetime) -> None:
    client, vip = a_client(listings="both"), a_tag("VIP")
    values.set_values(client_id=client.pk, values={}, tags={vip: True}, origin=ChangeOrigin(), now=now - 2 * HOUR)
    broadcast = sent_to(Line("tag", "has", vip.pk), now=now)
    values.set_values(client_id=client.pk, values={}, tags={vip: False}, origin=ChangeOrigin(), now=now - HOUR / 2)

    email, _sms = explanation.explain(client=client, broadcast=broadcast, now=now)

    assert "they were not in it when their turn came" in email.sentence


def test_a_tag_that_was_renamed_since_is_the_one_that_they_had(now: datetime) -> None:
    client, vip = a_client(listings="both"), a_tag("VIP")
    values.set_values(client_id=client.pk, values={}, tags={vip: True}, origin=ChangeOrigin(), now=now - 4 * HOUR)
    broadcast = sent_to(Line("tag", "has", vip.pk), now=now - 2 * HOUR)
    values.set_values(client_id=client.pk, values={}, tags={vip: False}, origin=ChangeOrigin(), now=now - HOUR)
    tags.rename(tag=vip, name="Gold", now=now - HOUR / 2)

    found = explanation.audience(client=client, broadcast=broadcast)

    assert found is not None
    assert (found.was_in, found.answers) == (True, [("Has the tag “Gold”", True)])


@pytest.mark.parametrize("got_it", [True, False])
def test_of_an_erased_client_only_a_message_tells(now: datetime, got_it: bool) -> None:
    client, vip = a_client(listings="both"), a_tag("VIP")
    values.set_values(client_id=client.pk, values={}, tags={vip: True}, origin=ChangeOrigin(), now=now - 4 * HOUR)
    broadcast = sent_to(Line("tag", "has", vip.pk), now=now)
    if got_it:
        a_delivery(broadcast=broadcast, client=client, state=Delivery.State.SENT)
    erase(client_id=client.pk, by=None, why="They asked.", now=now)
    client.refresh_from_db()

    found = explanation.audience(client=client, broadcast=broadcast)

    assert found is not None
    assert (found.was_in, found.answers) == (True if got_it else None, [])
    assert found.unknown == ("" if got_it else membership.ERASED)


def test_in_an_audience_and_without_consent_the_consent_is_the_reason(now: datetime) -> None:
    client = a_client(listings="neither", time_zone="Europe/Berlin")
    broadcast = sent_to(Line("time_zone", "known"), now=now)

    email, _sms = explanation.explain(client=client, broadcast=broadcast, now=now)

    assert "audience" not in email.sentence


def test_conditions_that_name_what_is_gone_are_told_to_be_so(now: datetime) -> None:
    client, vip = a_client(listings="both"), a_tag("VIP")
    broadcast = sent_to(Line("tag", "has", vip.pk), now=now)
    vip.delete()

    email, _sms = explanation.explain(client=client, broadcast=broadcast, now=now)

    assert "nobody can say who was in it" in email.sentence


def test_a_group_is_answered_with_each_of_its_conditions(now: datetime) -> None:
    client, vip = a_client(listings="both", time_zone="Europe/Berlin"), a_tag("VIP")
    group = Group((Line("tag", "has", vip.pk), Line("time_zone", "known")), "any", True)
    audience = create(name="Others", description="", document=Document((group,)), by=None)
    broadcast = a_broadcast(**freezing.columns(audience), started_at=now)

    found = explanation.audience(client=client, broadcast=broadcast)

    assert found is not None
    assert found.answers == [
        ("None of these apply:", False),
        ("Has the tag “VIP”", False),
        ("Time zone has a value", True),
    ]


def test_a_broadcast_to_everybody_has_none(now: datetime) -> None:
    assert explanation.audience(client=a_client(), broadcast=a_broadcast(started_at=now)) is None
