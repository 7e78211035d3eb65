from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Q

from notifier.fields import conditions, definitions, values
from notifier.fields.applying import ChangeOrigin
from notifier.fields.definitions import Definition
from notifier.models import Client, Preference
from tests.support.factories import a_client, a_field, a_tag

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

Names = Callable[[Q], list[str]]


@pytest.fixture
def clients(now: datetime) -> dict[str, Definition]:
    """Ann and Bob have something in each field, Cleo nothing."""
    kinds: dict[str, dict[str, Any]] = {
        "TEXT": {},
        "WHOLE": {},
        "MONEY": {},
        "DATE": {},
        "YES_NO": {},
        "CHOICE": {"options": ["Small", "Large"]},
        "CHOICES": {"options": ["Red", "Green", "Blue"]},
    }
    found = {kind: next(iter(definitions.of(a_field(kind=kind, **fields)))) for kind, fields in kinds.items()}
    answers: dict[str, list[Any]] = {
        "Ann": ["Straße 5", 3, Decimal("9.99"), date(2024, 2, 29), False, 1, (1, 2)],
        "Bob": ["Weg 7", 20, Decimal("100"), date(2025, 1, 1), True, 2, (3,)],
    }
    for name, has in answers.items():
        client = a_client(name=name, listings="email")
        given = dict(zip(found.values(), has, strict=True))
        values.set_values(client_id=client.pk, values=given, origin=ChangeOrigin(), now=now)
    a_client(name="Cleo", listings="email")
    return found


def names(condition: Q) -> list[str]:
    return sorted(Client.objects.filter(condition).values_list("name", flat=True))


def test_whoever_has_a_value_is_told_from_whoever_has_none(clients: dict[str, Definition]) -> None:
    for definition in clients.values():
        assert names(conditions.has_value(definition)) == ["Ann", "Bob"]
        assert names(conditions.is_missing(definition)) == ["Cleo"]


def test_texts_are_compared_without_capitals(clients: dict[str, Definition]) -> None:
    text = clients["TEXT"]

    assert names(conditions.is_one_of(text, ["STRASSE 5", "nowhere"])) == ["Ann"]
    assert names(conditions.contains(text, "EG ")) == ["Bob"]
    assert names(conditions.contains(text, "%")) == []


def test_numbers_amounts_and_dates_are_compared_by_their_size(clients: dict[str, Definition]) -> None:
    between = conditions.is_between

    assert names(between(clients["WHOLE"], least=4)) == ["Bob"]
    assert names(between(clients["WHOLE"], least=3, most=3)) == ["Ann"]
    assert names(between(clients["MONEY"], most=Decimal("9.99"))) == ["Ann"]
    assert names(between(clients["MONEY"], least=Decimal("10"), most=Decimal("99.99"))) == []
    assert names(between(clients["DATE"], least=date(2024, 3, 1))) == ["Bob"]


def test_a_no_is_an_answer(clients: dict[str, Definition]) -> None:
    assert names(conditions.is_one_of(clients["YES_NO"], [False])) == ["Ann"]


def test_options_are_found_one_or_all_of_them(clients: dict[str, Definition]) -> None:
    several = clients["CHOICES"]

    assert names(conditions.is_one_of(clients["CHOICE"], [2])) == ["Bob"]
    assert names(conditions.has_any_option(several, [2, 3])) == ["Ann", "Bob"]
    assert names(conditions.has_all_options(several, [1, 2])) == ["Ann"]
    assert names(conditions.has_all_options(several, [2, 3])) == []


def test_conditions_are_asked_of_whatever_leads_to_a_client(clients: dict[str, Definition], now: datetime) -> None:
    vip, ann = a_tag("VIP"), Client.objects.get(name="Ann")
    values.set_values(client_id=ann.pk, values={}, tags={vip: True}, origin=ChangeOrigin(), now=now)

    found = Preference.objects.filter(
        conditions.has_tag(vip, client="client__"),
        conditions.is_between(clients["WHOLE"], most=10, client="client__"),
        conditions.has_any_option(clients["CHOICES"], [1], client="client__"),
    )

    assert [preference.client for preference in found] == [ann]
    assert names(conditions.has_tag(vip)) == ["Ann"]
    assert names(~conditions.has_tag(vip)) == ["Bob", "Cleo"]
