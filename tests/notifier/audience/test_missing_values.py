from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.audience import missing_values
from notifier.audience.missing_values import Lacking
from notifier.messages.variants import Texts
from notifier.models import Channel, ClientValues, Suppression
from tests.support.factories import a_broadcast, a_client, a_delivery, a_field, a_notification

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS


def test_every_recipient_is_counted_and_nobody_else() -> None:
    for number in range(30):
        a_client(name="Cher", first_name="Ann" if number % 3 else "", listings="both")
    suppressed = a_client(name="Cher", listings="both")
    Suppression.objects.create(channel=EMAIL, address=str(suppressed.email), reason="asked")
    a_client(name="Cher", listings="sms")
    a_client(name="Cher", listings="both", is_active=False)
    text = a_notification(subject="{{ first_name }}, look", sms_body='Hi {{ first_name | "there" }}')

    assert missing_values.count(text=text, channel=EMAIL) == Lacking(10, {"first_name": 10})
    assert missing_values.count(text=text, channel=SMS) == missing_values.NOBODY


def test_who_lacks_two_values_is_left_out_once() -> None:
    a_client(name="Cher", listings="email")
    a_client(first_name="Teller", listings="email")
    a_client(last_name="Lee", name="", listings="email")
    a_client(first_name="Ann", last_name="Lee", listings="email")
    text = a_notification(email_body="Dear {{ first_name }} {{ last_name }}")

    assert missing_values.count(text=text, channel=EMAIL) == Lacking(3, {"first_name": 2, "last_name": 2})


def test_a_follow_up_leaves_out_only_those_whom_it_would_go_to(now: datetime) -> None:
    broadcast = a_broadcast(
        notification=a_notification(email_body="Dear {{ first_name }}"), state="FINISHED", finished_at=now
    )
    reached, missed = a_client(name="Cher", listings="email"), a_client(name="Sade", listings="email")
    a_delivery(broadcast=broadcast, client=reached, state="SENT", settled_at=now)
    a_delivery(broadcast=broadcast, client=missed, state="FAILED", settled_at=now)

    assert missing_values.count(text=broadcast, channel=EMAIL, follows=broadcast).number == 1
    assert missing_values.count(text=broadcast, channel=EMAIL).number == 2


def test_what_another_language_needs_counts_as_the_claim_has_it() -> None:
    a_client(name="Cher", listings="both")
    a_client(first_name="Ann", listings="both")
    text = a_notification(subject="Hello", email_body="Hello", sms_body="Hi", de=Texts("Hallo", "", "{{ first_name }}"))

    assert missing_values.count(text=text, channel=EMAIL) == Lacking(1, {"first_name": 1})
    assert missing_values.count(text=text, channel=SMS) == missing_values.NOBODY


def test_a_field_is_counted_as_a_name_is_over_all_recipients() -> None:
    town, budget = a_field(kind="CHOICES", key="town", options=["Leeds", "York"]), a_field(kind="MONEY", key="budget")
    for chosen, amount in ((1, 0), (3, None), (None, 5), (None, None), (0, 5)):
        client = a_client(listings="both")
        ClientValues.objects.create(client=client, **{town.column: chosen, budget.column: amount})
    a_client(listings="both")
    text = a_notification(
        subject='In {{ town | "your area" }}',
        email_body="Up to {{ budget }}",
        sms_body="Hi",
        de=Texts("In {{ town }}", "", "Bis"),
    )

    # Nothing chosen of a list is no value; an amount of nought is one.
    assert missing_values.count(text=text, channel=EMAIL) == Lacking(5, {"budget": 3, "town": 4})
    assert missing_values.count(text=text, channel=SMS) == missing_values.NOBODY
    gone = a_notification(email_body="{{ gone }}")
    assert missing_values.count(text=gone, channel=EMAIL) == Lacking(6, {"gone": 6})


def test_a_text_that_needs_nothing_asks_nobody() -> None:
    text = a_notification(email_body='Dear {{ first_name | "you" }}, {{ name }}, {{ topic }}')

    with CaptureQueriesContext(connection) as queries:
        found = missing_values.count(text=text, channel=EMAIL)

    assert (found, len(queries)) == (missing_values.NOBODY, 0)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "1 recipient has no first name, so no e-mail is sent to them."),
        (1_200, "1,200 recipients have no first name, so no e-mail is sent to them."),
    ],
)
def test_what_becomes_of_them_is_said_with_what_to_write(number: int, words: str) -> None:
    said = missing_values.in_words(key="first_name", number=number, channel=EMAIL)

    assert said == f'{words} To reach them too, add a fallback to the text: {{{{ first_name | "there" }}}}.'
