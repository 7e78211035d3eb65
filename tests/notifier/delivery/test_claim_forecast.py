"""What a page promises of a retry is what the claim then does, tested by doing it."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from notifier.addresses.phones import LANDLINE_DIGITS
from notifier.delivery import claim_forecast, claims, recovery
from notifier.delivery.claim_forecast import Forecast
from notifier.models import Broadcast, Channel, Client, ClientValues, Delivery, Preference, Reason, Suppression
from tests.support.factories import a_broadcast, a_client, a_delivery, a_field, a_notification

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL = Channel.EMAIL
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _cap(settings: Settings) -> None:
    settings.CAPS = {"email": (2, 7), "sms": None}


def failed(broadcast: Broadcast, client: Client | None = None) -> Delivery:
    return a_delivery(broadcast=broadcast, client=client, state=State.FAILED)


def suppress(row: Delivery, source: Suppression.Source, at: datetime) -> None:
    made = Suppression.objects.create(channel=EMAIL, address=row.address, reason="asked", source=source)
    Suppression.objects.filter(pk=made.pk).update(created_at=at)


def give(client: Client, *ago: timedelta, now: datetime, state: str = State.SENT) -> None:
    for each in ago:
        earlier = a_broadcast(state="FINISHED", finished_at=now - each)
        a_delivery(broadcast=earlier, client=client, state=state, settled_at=now - each)


def everything_that_may_happen(broadcast: Broadcast, now: datetime) -> None:
    """Two who would get it, and somebody for each reason why not."""
    failed(broadcast)
    below_the_cap = failed(broadcast)
    give(below_the_cap.client, DAY, 8 * DAY, now=now)
    give(below_the_cap.client, DAY, now=now, state=State.FAILED)
    Client.objects.filter(pk=failed(broadcast).client_id).update(is_active=False)
    Preference.objects.filter(client=failed(broadcast).client_id).delete()
    Preference.objects.filter(client=failed(broadcast).client_id).update(email=False)
    suppress(failed(broadcast), Suppression.Source.BOUNCE, now)
    suppress(failed(broadcast), Suppression.Source.CLIENT, now - 2 * DAY)
    suppress(failed(broadcast), Suppression.Source.CLIENT, now)
    give(failed(broadcast).client, DAY, 2 * DAY, now=now)


def test_who_lacks_a_value_that_the_text_of_their_broadcast_needs_is_told(now: datetime) -> None:
    needs = a_notification(subject="{{ first_name }}, look")
    broadcasts = [
        a_broadcast(notification=one, state="FINISHED", finished_at=now, started_at=now - DAY)
        for one in (needs, a_notification())
    ]
    for broadcast in broadcasts:
        failed(broadcast, a_client(name="Cher", listings="email"))
        failed(broadcast, a_client(first_name="Ann", listings="email"))

    together = claim_forecast.of_deliveries(Delivery.objects.all(), now=now)
    first, second = (
        claim_forecast.of_broadcast(broadcast, deliveries=broadcast.deliveries.all(), now=now)
        for broadcast in broadcasts
    )

    assert together == Forecast(3, {Reason.NO_VALUE: 1})
    assert (first, second) == (Forecast(1, {Reason.NO_VALUE: 1}), Forecast(2, {}))
    assert (then(broadcasts[0], now), then(broadcasts[1], now)) == (first, second)


def test_who_lacks_a_field_that_the_text_needs_is_told(now: datetime) -> None:
    field = a_field(kind="WHOLE", key="bedrooms")
    text = a_notification(email_body="With {{ bedrooms }} bedrooms")
    broadcast = a_broadcast(notification=text, state="FINISHED", finished_at=now, started_at=now - DAY)
    for rooms in (3, None):
        client = a_client(listings="email")
        ClientValues.objects.create(client=client, **{field.column: rooms})
        failed(broadcast, client)

    together = claim_forecast.of_deliveries(Delivery.objects.all(), now=now)

    assert together == claim_forecast.of_broadcast(broadcast, deliveries=broadcast.deliveries.all(), now=now)
    assert together == then(broadcast, now) == Forecast(1, {Reason.NO_VALUE: 1})


def then(broadcast: Broadcast, now: datetime, channel: Channel = EMAIL) -> Forecast:
    """Send them again, and claim them: what really happens."""
    rows = broadcast.deliveries.filter(state=State.FAILED)
    ids = list(rows.values_list("pk", flat=True))
    recovery.send_again(deliveries=rows, by=None, why="asked", now=now)
    claim = claims.claim(
        broadcast_id=broadcast.pk, channel=channel, delivery_ids=ids, token=uuid.uuid4(), now=now + timedelta(seconds=1)
    )
    details = Delivery.objects.filter(pk__in=ids, state=State.SKIPPED).values_list("detail", flat=True)
    return Forecast(len(claim.messages), {detail: list(details).count(detail) for detail in sorted(set(details))})


@pytest.mark.parametrize("is_critical", [False, True])
def test_the_claim_does_what_was_told(now: datetime, is_critical: bool) -> None:
    broadcast = a_broadcast(state="FINISHED", finished_at=now, started_at=now - DAY, is_critical=is_critical)
    everything_that_may_happen(broadcast, now)

    told = claim_forecast.of_broadcast(broadcast, deliveries=broadcast.deliveries.all(), now=now)

    assert told == then(broadcast, now)
    assert (told.number, told.left_out) == ((3, 6) if is_critical else (2, 7))


def test_whom_another_broadcast_of_the_chain_reached_is_not_counted(now: datetime) -> None:
    client = a_client(listings="email")
    original = a_broadcast(state="FINISHED", finished_at=now, started_at=now - DAY)
    follower = a_broadcast(
        notification=original.notification, follows=original, state="FINISHED", finished_at=now, started_at=now - HOUR
    )
    a_delivery(broadcast=original, client=client, state=State.SENT, settled_at=now - 30 * DAY)
    failed(follower, client)
    failed(follower)

    told = claim_forecast.of_broadcast(follower, deliveries=follower.deliveries.all(), now=now)

    assert told == then(follower, now)
    assert told.number == 1


def test_an_sms_to_a_landline_is_not_counted_whatever_number_the_client_has_today(now: datetime) -> None:
    broadcast = a_broadcast(state="FINISHED", finished_at=now, started_at=now - DAY)
    landline, mobile = (a_client(listings="sms") for _ in range(2))
    for client in (landline, mobile):
        a_delivery(broadcast=broadcast, client=client, channel=Channel.SMS, state=State.FAILED)
    Client.objects.filter(pk=landline.pk).update(landline_ending=str(landline.phone)[-LANDLINE_DIGITS:])
    Client.objects.filter(pk=mobile.pk).update(
        phone="+493012345678", landline_ending="+493012345678"[-LANDLINE_DIGITS:]
    )

    told = claim_forecast.of_broadcast(broadcast, deliveries=broadcast.deliveries.all(), now=now)

    assert told == then(broadcast, now, Channel.SMS)
    assert (told.number, told.skipped) == (1, {Reason.LANDLINE: 1})


def test_one_that_is_unknown_does_not_stand_in_its_own_way(now: datetime) -> None:
    broadcast = a_broadcast(state="FINISHED", finished_at=now, started_at=now - DAY)
    row = a_delivery(broadcast=broadcast, state=State.UNKNOWN, settled_at=now)
    give(row.client, DAY, now=now)

    told = claim_forecast.of_deliveries(Delivery.objects.filter(pk=row.pk), now=now)

    assert told == Forecast(1, {})
    recovery.send_again(deliveries=Delivery.objects.filter(pk=row.pk), by=None, why="asked", now=now)
    assert (
        len(
            claims.claim(
                broadcast_id=broadcast.pk, channel=EMAIL, delivery_ids=[row.pk], token=uuid.uuid4(), now=now
            ).messages
        )
        == 1
    )


def test_deliveries_of_several_broadcasts_are_told_together(now: datetime) -> None:
    each = [
        a_broadcast(state="FINISHED", finished_at=now, started_at=now - DAY, is_critical=one) for one in (False, True)
    ]
    each.append(a_broadcast(follows=each[0], state="FINISHED", finished_at=now, started_at=now - DAY))
    for broadcast in each:
        everything_that_may_happen(broadcast, now)
    alone = [
        claim_forecast.of_broadcast(one, deliveries=one.deliveries.filter(state=State.FAILED), now=now) for one in each
    ]

    told = claim_forecast.of_deliveries(Delivery.objects.filter(broadcast__in=each, state=State.FAILED), now=now)

    assert told is not None
    assert told.number == sum(one.number for one in alone) == 2 + 3 + 2
    assert told.left_out == sum(one.left_out for one in alone)


def test_it_takes_a_query_a_channel_however_many_there_are(now: datetime) -> None:
    broadcast = a_broadcast(started_at=now)
    for _ in range(3):
        failed(broadcast)

    with CaptureQueriesContext(connection) as queries:
        claim_forecast.of_broadcast(broadcast, deliveries=broadcast.deliveries.all(), now=now)

    assert len(queries) == len(Channel)


def test_it_takes_as_many_queries_for_many_different_texts_as_for_two(now: datetime) -> None:
    for number in range(6):
        a_field(kind="WHOLE", key=f"number_{number}")
    client = a_client(listings="email")

    def queries(numbers: range) -> int:
        for number in numbers:
            text = a_notification(email_body=f"With {{{{ number_{number} }}}} bedrooms")
            failed(a_broadcast(notification=text, state="FINISHED", finished_at=now, started_at=now - DAY), client)
        with CaptureQueriesContext(connection) as captured:
            found = claim_forecast.of_deliveries(Delivery.objects.all(), now=now)
        assert found == Forecast(0, {Reason.NO_VALUE: numbers.stop})
        return len(captured)

    assert queries(range(2)) == queries(range(2, 6))
