from datetime import date, datetime, timedelta
from typing import Any

import pytest

from notifier.clients import record_file
from notifier.fields import changes, definitions, values
from notifier.fields.applying import ChangeOrigin
from notifier.models import Client
from tests.support.factories import a_client, a_field, a_tag, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def a_changed_client(now: datetime) -> Client:
    since = a_field(label="Member since", kind="DATE", description="To thank you each year.")
    plan = a_field(label="Plan", kind="CHOICE", options=["Small", "Large"])
    client, vip = a_client(), a_tag("VIP")
    by_since, by_plan = definitions.of(since, plan)
    origin = ChangeOrigin(by=a_user(username="maria"), reason="asked by phone")
    first: dict[Any, Any] = {by_since: date(2024, 2, 29), by_plan: 1}
    values.set_values(client_id=client.pk, values=first, origin=origin, now=now)
    later = now + timedelta(minutes=1)
    values.set_values(client_id=client.pk, values={by_plan: 2}, tags={vip: True}, origin=ChangeOrigin(), now=later)
    return client


def test_a_change_is_told_in_words_newest_first(now: datetime) -> None:
    client = a_changed_client(now)

    told = [
        [(one.label, one.before, one.after) for one in changes.differences(change, definitions.every())]
        for change in changes.of_client(client.pk)
    ]

    assert told == [
        [("Plan", "Small", "Large"), ("Tags", None, "VIP")],
        [("Member since", None, "29 Feb 2024"), ("Plan", None, "Small")],
    ]


def test_a_change_of_a_field_that_was_deleted_is_still_told(now: datetime) -> None:
    field, client = a_field(kind="TEXT"), a_client()
    (definition,) = definitions.of(field)
    for value in ("Bonn", None):
        values.set_values(client_id=client.pk, values={definition: value}, origin=ChangeOrigin(), now=now)
    definitions.delete(field_id=field.pk)

    newest = changes.of_client(client.pk)[0]

    assert changes.differences(newest, definitions.every()) == [changes.FieldDifference(changes.DELETED, "Bonn", None)]


def test_the_file_of_all_data_has_fields_tags_and_their_history(now: datetime) -> None:
    client = a_changed_client(now)

    found = record_file.full_record(client=client, now=now)

    assert found["fields"] == [
        {"field": "Member since", "value": "29 Feb 2024", "what it is for": "To thank you each year."},
        {"field": "Plan", "value": "Large"},
    ]
    assert found["tags"] == [{"tag": "VIP"}]
    assert [(one["by"], one["reason"], one["what"]) for one in found["changes of fields and tags"]] == [
        ("", "", "Plan: Small → Large; Tags: nothing → VIP"),
        ("maria", "asked by phone", "Member since: nothing → 29 Feb 2024; Plan: nothing → Small"),
    ]
    assert "Member since" in record_file.as_text(found)
