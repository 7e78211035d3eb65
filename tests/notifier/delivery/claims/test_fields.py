"""A claim reads the client's fields last, as they are defined at that moment, and tells them in their language."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.fields import applying, definitions, values
from notifier.fields.definitions import FieldInUse, OptionChange
from notifier.messages.variants import Texts
from notifier.models import Broadcast, Channel, Client, ClientField, ClientValues, Delivery, Reason
from tests.notifier.delivery.calls import claim, fresh
from tests.support.factories import a_broadcast, a_client, a_delivery, a_field, a_notification

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

SMS = Channel.SMS


def given(client: Client, values_of: dict[ClientField, Any], now: datetime) -> None:
    found = {one: values_of[one.field] for one in definitions.of(*values_of)}
    values.set_values(client_id=client.pk, values=found, origin=applying.ChangeOrigin(), now=now)


def a_listing() -> tuple[ClientField, ClientField, ClientField, Broadcast]:
    town = a_field(kind="CHOICE", key="town", options=["Leeds", "York"])
    budget, viewing = a_field(kind="MONEY", key="budget", currency="GBP"), a_field(kind="DATE", key="viewing_date")
    german = Texts("{{ town }}", "", "Bis {{ budget }}", "In {{ town | “Ihrer Gegend” }} bis {{ budget }}")
    text = a_notification(
        subject='Homes in {{ town | "your area" }}',
        preheader="Up to {{ budget }}",
        email_body='See it on **{{ viewing_date | "a day of your choice" }}**, up to {{ budget }}.',
        sms_body='{{ town | "Nearby" }}: up to {{ budget }}',
        de=german,
    )
    return town, budget, viewing, a_broadcast(notification=text)


def test_every_text_tells_the_fields_in_the_clients_language(now: datetime) -> None:
    town, budget, viewing, broadcast = a_listing()
    ann, ida = a_client(listings="both"), a_client(listings="both", language="de")
    for client in (ann, ida):
        given(client, {town: 1, budget: Decimal(400_000), viewing: date(2026, 12, 1)}, now)

    def told(channel: Channel) -> list[Any]:
        rows = [a_delivery(broadcast=broadcast, client=one, channel=channel, due_at=now) for one in (ann, ida)]
        return claim(*rows, now=now).messages

    english, german = told(Channel.EMAIL)
    assert english.subject == "Homes in Leeds"
    assert english.body.startswith("See it on 1 Dec 2026, up to £400,000.")
    assert "<strong>1 Dec 2026</strong>" in english.html
    assert "Up to £400,000" in english.html
    assert (german.subject, german.body.split("\n")[0]) == ("Leeds", "Bis 400.000\u00a0£")
    assert [message.body for message in told(SMS)] == ["Leeds: up to £400,000", "In Leeds bis 400.000 £"]


def test_who_has_no_value_for_what_has_no_fallback_is_skipped(now: datetime) -> None:
    town, budget, _, broadcast = a_listing()
    with_budget, without, with_town = a_client(listings="sms"), a_client(listings="sms"), a_client(listings="sms")
    given(with_budget, {budget: Decimal(1)}, now)
    given(with_town, {town: 2}, now)
    rows = [
        a_delivery(broadcast=broadcast, client=one, channel=SMS, due_at=now)
        for one in (with_budget, without, with_town)
    ]

    (message,) = claim(*rows, now=now).messages

    assert message.body == "Nearby: up to £1"
    assert [fresh(row).state for row in rows] == [Delivery.State.SENDING, *[Delivery.State.SKIPPED] * 2]
    assert {fresh(row).detail for row in rows[1:]} == {Reason.NO_VALUE}


def test_what_is_renamed_while_it_runs_is_told_by_its_new_name(now: datetime) -> None:
    town, budget, _, broadcast = a_listing()
    client = a_client(listings="sms")
    given(client, {town: 1, budget: Decimal(1)}, now)
    town.label = "Town or village"
    definitions.save(town)
    definitions.set_options(field=town, options=[OptionChange(1, "Leeds North"), OptionChange(2, "York")], now=now)

    (message,) = claim(a_delivery(broadcast=broadcast, client=client, channel=SMS, due_at=now), now=now).messages

    assert message.body == "Leeds North: up to £1"


def test_a_field_that_is_retired_while_it_runs_is_told_to_the_end(now: datetime) -> None:
    town, budget, _, broadcast = a_listing()
    client = a_client(listings="sms")
    given(client, {town: 1, budget: Decimal(1)}, now)
    definitions.retire(field_id=town.pk, now=now)
    with pytest.raises(FieldInUse, match="the broadcast #"):
        definitions.delete(field_id=town.pk)

    (message,) = claim(a_delivery(broadcast=broadcast, client=client, channel=SMS, due_at=now), now=now).messages

    assert message.body == "Leeds: up to £1"


@pytest.mark.parametrize("fallback", ["", ' | "Nearby"'])
def test_a_placeholder_never_goes_out_as_it_stands(fallback: str, now: datetime) -> None:
    text = a_notification(subject="Homes", email_body=f"{{{{ gone{fallback} }}}}!", sms_body="Hi")
    row = a_delivery(broadcast=a_broadcast(notification=text), due_at=now)

    taken = claim(row, now=now)

    assert [message.body.split("\n")[0] for message in taken.messages] == (["Nearby!"] if fallback else [])
    assert fresh(row).state == (Delivery.State.SENDING if fallback else Delivery.State.SKIPPED)


def test_what_can_not_be_read_of_one_client_stops_nobody_else(now: datetime) -> None:
    town, budget, viewing, broadcast = a_listing()
    odd, ann = a_client(listings="email"), a_client(listings="email")
    for client in (odd, ann):
        given(client, {town: 1, budget: Decimal(1), viewing: date(2026, 12, 1)}, now)
    ClientValues.objects.filter(client=odd).update(**{viewing.column: 20269999})
    rows = [a_delivery(broadcast=broadcast, client=one, due_at=now) for one in (odd, ann)]

    flawed, sent = claim(*rows, now=now).messages

    assert flawed.flaw
    assert (sent.flaw, sent.subject) == ("", "Homes in Leeds")


def test_fields_cost_a_claim_two_statements_whatever_the_number_of_clients_and_fields(now: datetime) -> None:
    town, budget, viewing, broadcast = a_listing()
    plain = a_broadcast(notification=a_notification(subject="Hi", email_body="Hi", sms_body="Hi"))
    clients = [a_client(listings="sms") for _ in range(12)]
    for client in clients:
        given(client, {town: 1, budget: Decimal(1), viewing: date(2026, 12, 1)}, now)

    def statements(of: Broadcast, some: list[Client]) -> int:
        rows = [a_delivery(broadcast=of, client=one, channel=SMS, due_at=now) for one in some]
        with CaptureQueriesContext(connection) as queries:
            assert len(claim(*rows, now=now).messages) == len(some)
        return len(queries)

    one, many = statements(broadcast, clients[:1]), statements(broadcast, clients[1:])
    assert one == many
    # The definitions, and the options of lists among them.
    assert one == statements(plain, clients) + 2
