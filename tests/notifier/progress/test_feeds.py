from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.models import Channel, Delivery
from notifier.progress import feeds
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
SMS = Channel.SMS
SECOND = timedelta(seconds=1)


def test_the_feed_shows_the_newest_settled_first_and_what_each_was_told(now: datetime) -> None:
    notification = a_notification(subject="Hi {{ first_name }}", sms_body="{{ topic }} for {{ name }}")
    broadcast = a_broadcast(notification=notification)
    ann, zoe = a_client(first_name="Ann", last_name="Example"), a_client(name="Zoë {{ topic }}")
    text = a_delivery(broadcast=broadcast, client=zoe, channel=SMS, state=State.FAILED, settled_at=now)
    mail = a_delivery(broadcast=broadcast, client=ann, state=State.SENT, settled_at=now + SECOND)
    a_delivery(broadcast=broadcast)
    a_delivery(state=State.SENT)

    feed = feeds.feed(broadcast, with_names=True)

    assert [(line.delivery, line.message) for line in feed] == [
        (mail, "Hi Ann"),
        (text, "Listings for Zoë {{ topic }}"),
    ]


def test_the_feed_is_cut_to_the_newest_and_costs_the_same_however_many(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [
        a_delivery(broadcast=broadcast, state=State.SENT, settled_at=now + number * SECOND)
        for number in range(feeds.FEED_LENGTH + 5)
    ]

    with CaptureQueriesContext(connection) as queries:
        feed = feeds.feed(broadcast, with_names=True)

    assert [line.delivery.pk for line in feed] == [row.pk for row in reversed(rows)][: feeds.FEED_LENGTH]
    assert len(queries) <= 2


def test_a_long_message_is_cut() -> None:
    broadcast = a_broadcast(notification=a_notification(sms_body="x" * 500))
    a_delivery(broadcast=broadcast, channel=SMS, state=State.SENT)

    (line,) = feeds.feed(broadcast, with_names=True)

    assert line.message == "x" * 119 + "…"
