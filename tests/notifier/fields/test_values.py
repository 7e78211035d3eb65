from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from notifier.clients import erasure
from notifier.fields import definitions, values
from notifier.fields.applying import ChangeOrigin, FieldGone
from notifier.fields.definitions import Definition
from notifier.models import Client, ClientValues, ValueChange
from tests.support.factories import a_client, a_field, a_tag, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def defined(**fields: Any) -> Definition:
    return next(iter(definitions.of(a_field(**fields))))


def changes_of(client: Client) -> list[Any]:
    return [one.changes for one in ValueChange.objects.filter(client=client).order_by("pk")]


SAMPLES: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("TEXT", {}, "Zoë’s “café”", "Bob"),
    ("WHOLE", {}, -42, 10**15 - 1),
    ("DECIMAL", {}, Decimal("0.000001"), Decimal("-12.5")),
    ("MONEY", {"currency": "EUR"}, Decimal("19.99"), Decimal("0")),
    ("DATE", {}, date(2024, 2, 29), date(1999, 12, 31)),
    ("YES_NO", {}, False, True),
    ("CHOICE", {"options": ["Small", "Large"]}, 2, 1),
    ("CHOICES", {"options": ["Red", "Green", "Blue"]}, (1, 3), (2,)),
]


@pytest.mark.parametrize(("kind", "fields", "one", "other"), SAMPLES)
def test_a_value_of_each_kind_comes_back_as_it_was_set(
    kind: str, fields: dict[str, Any], one: Any, other: Any, now: datetime
) -> None:
    definition, client = defined(kind=kind, **fields), a_client()

    for value in (one, other, one):
        assert values.set_values(client_id=client.pk, values={definition: value}, origin=ChangeOrigin(), now=now)
        assert values.of_client(client.pk, definitions.every()) == {definition.id: value}
    assert values.set_values(client_id=client.pk, values={definition: None}, origin=ChangeOrigin(), now=now)

    assert values.of_client(client.pk, definitions.every()) == {}


def test_each_change_is_on_record_with_who_made_it_and_what_was_there(now: datetime) -> None:
    maria, client = a_user(username="maria"), a_client()
    visits, city = defined(kind="WHOLE"), defined(kind="TEXT")
    origin = ChangeOrigin(by=maria, reason="asked by phone")

    values.set_values(client_id=client.pk, values={visits: 3, city: "Bonn"}, origin=origin, now=now)
    values.set_values(client_id=client.pk, values={visits: 3, city: None}, origin=origin, now=now)

    first, second = ValueChange.objects.filter(client=client).order_by("pk")
    assert first.changes == {"fields": {str(visits.id): [None, 3], str(city.id): [None, "Bonn"]}}
    assert second.changes == {"fields": {str(city.id): ["Bonn", None]}}
    assert (first.by, first.reason, first.at) == (maria, "asked by phone", now)


def test_what_stays_the_same_is_no_change(now: datetime) -> None:
    definition, client = defined(kind="TEXT"), a_client()
    values.set_values(client_id=client.pk, values={definition: "Bonn"}, origin=ChangeOrigin(), now=now)
    later = now + timedelta(hours=1)

    assert not values.set_values(client_id=client.pk, values={definition: "Bonn"}, origin=ChangeOrigin(), now=later)

    assert len(changes_of(client)) == 1
    assert Client.objects.get(pk=client.pk).updated_at == now


def test_many_clients_get_a_value_and_only_those_who_lacked_it_are_changed(now: datetime) -> None:
    definition = defined(kind="CHOICES", options=["Red", "Green"])
    has, lacks, bystander = a_client(), a_client(), a_client()
    values.set_values(client_id=has.pk, values={definition: (1, 2)}, origin=ChangeOrigin(), now=now)

    changed = values.set_for_many(
        client_ids=[has.pk, lacks.pk], values={definition: (1, 2)}, origin=ChangeOrigin(reason="list"), now=now
    )

    assert changed == 1
    found = dict(values.of_clients([has.pk, lacks.pk, bystander.pk], definitions.every()))
    assert found == {has.pk: {definition.id: (1, 2)}, lacks.pk: {definition.id: (1, 2)}}
    assert changes_of(lacks) == [{"fields": {str(definition.id): [None, 3]}}]


def test_tags_and_values_of_one_act_are_one_entry_of_the_record(now: datetime) -> None:
    definition, client, vip = defined(kind="YES_NO"), a_client(), a_tag("VIP")

    values.set_values(client_id=client.pk, values={definition: True}, tags={vip: True}, origin=ChangeOrigin(), now=now)

    (change,) = changes_of(client)
    assert change == {
        "fields": {str(definition.id): [None, 1]},
        "tags": {"added": ["VIP"], "removed": []},
    }


def test_a_client_who_was_erased_gets_nothing(now: datetime) -> None:
    definition, client = defined(kind="TEXT"), a_client()
    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)

    assert not values.set_values(client_id=client.pk, values={definition: "Bonn"}, origin=ChangeOrigin(), now=now)

    assert not ClientValues.objects.exists()
    assert not ValueChange.objects.exists()


def test_a_field_that_was_retired_or_deleted_meanwhile_takes_nothing(now: datetime) -> None:
    retired, deleted, client = defined(kind="TEXT"), defined(kind="TEXT"), a_client()
    definitions.retire(field_id=retired.id, now=now)
    definitions.delete(field_id=deleted.id)

    for definition in (retired, deleted):
        with pytest.raises(FieldGone):
            values.set_values(client_id=client.pk, values={definition: "Bonn"}, origin=ChangeOrigin(), now=now)

    assert not ClientValues.objects.exists()


def test_fifty_fields_are_set_at_once(now: datetime) -> None:
    client = a_client()
    wanted = {defined(kind="WHOLE"): number for number in range(55)}

    values.set_values(client_id=client.pk, values=wanted, origin=ChangeOrigin(), now=now)

    assert values.of_client(client.pk, definitions.every()) == {one.id: number for one, number in wanted.items()}
    assert len(changes_of(client)[0]["fields"]) == 55


def test_the_database_refuses_a_blank_text() -> None:
    client = a_client()

    with pytest.raises(IntegrityError), transaction.atomic():
        ClientValues.objects.create(client=client, t1="")
