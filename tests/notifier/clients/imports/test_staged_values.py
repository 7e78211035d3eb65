"""Columns of fields that staff defined, and of tags."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.clients import erasure
from notifier.clients.imports import columns, contents, importer
from notifier.clients.imports.columns import MappingError
from notifier.clients.imports.writing import ImportOrigin
from notifier.fields import definitions, tags, values
from notifier.fields.applying import ChangeOrigin
from notifier.fields.definitions import OptionChange
from notifier.models import Client, ClientField, ConsentChange, Tag, ValueChange
from notifier.runtime import clock
from tests.notifier.clients.imports.conftest import a_table, plan
from tests.support.factories import a_client, a_field, a_tag, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

Do = Callable[..., dict[str, int]]


def one_of_each() -> dict[str, ClientField]:
    return {
        "TEXT": a_field(kind="TEXT", label="Nickname", key="nickname"),
        "WHOLE": a_field(kind="WHOLE", label="Rooms", key="rooms"),
        "DECIMAL": a_field(kind="DECIMAL", label="Area", key="area"),
        "MONEY": a_field(kind="MONEY", label="Budget", key="budget", currency="EUR"),
        "DATE": a_field(kind="DATE", label="Member since", key="member_since"),
        "YES_NO": a_field(kind="YES_NO", label="Owns a car", key="owns_car"),
        "CHOICE": a_field(kind="CHOICE", label="District", key="district", options=["North", "South"]),
        "CHOICES": a_field(kind="CHOICES", label="Interests", key="interests", options=["Flats", "Houses", "Land"]),
    }


def of(client: Client) -> dict[str, Any]:
    """The client's values by the key of the field."""
    every = definitions.every()
    found = values.of_client(client.pk, every)
    return {one.key: found[one.id] for one in every if one.id in found}


def tags_of(client: Client) -> list[str]:
    return [tag.name for tag in tags.of_client(client.pk)]


def give(client: Client, **chosen: Any) -> None:
    by_key = {one.key: one for one in definitions.every()}
    values.set_values(
        client_id=client.pk,
        values={by_key[key]: value for key, value in chosen.items()},
        origin=ChangeOrigin(),
        now=clock.now(),
    )


HEADER = "name,email,nickname,Rooms,area,BUDGET,Member-since,owns a car,district,interests"


def test_each_cell_is_read_by_the_type_of_its_field(do: Do) -> None:
    one_of_each()

    counts = do(f'{HEADER}\nAnn,ann@example.com, Annie ,3,72.5,"€ 1,200.50",31.12.2025,yes,south,Flats; land')

    assert counts == {"added": 1}
    assert of(Client.objects.get()) == {
        "nickname": "Annie",
        "rooms": 3,
        "area": Decimal("72.5"),
        "budget": Decimal("1200.5"),
        "member_since": date(2025, 12, 31),
        "owns_car": True,
        "district": 2,
        "interests": (1, 3),
    }


def test_a_blank_cell_leaves_what_is_there(do: Do) -> None:
    one_of_each()
    ann = a_client(name="Ann", email="ann@example.com")
    give(ann, nickname="Annie", rooms=3, district=1)

    counts = do(f"{HEADER}\nAnn,ann@example.com,,4,,,,,,")

    assert counts == {"changed": 1}
    assert of(ann) == {"nickname": "Annie", "rooms": 4, "district": 1}


def test_the_same_again_changes_nothing_and_leaves_no_record(do: Do) -> None:
    one_of_each()
    row = f"{HEADER}\nAnn,ann@example.com,Annie,3,72.5,1200.50,2025-12-31,no,North,Flats"
    do(row)

    assert do(row) == {"unchanged": 1}
    assert ValueChange.objects.count() == 1


def test_what_it_changes_is_on_record_with_the_file_and_whoever_imported_it(do: Do, now: datetime) -> None:
    field, user = a_field(kind="WHOLE", label="Rooms"), a_user()
    a_tag("VIP")
    ann = a_client(email="ann@example.com")
    give(ann, **{field.key: 2})

    do("email,rooms,tags\nann@example.com,3,vip", by=user)

    change = ValueChange.objects.latest("pk")
    assert (change.client, change.by, change.at, change.reason) == (ann, user, now, "Import of spring.csv")
    assert change.changes == {"fields": {str(field.pk): [2, 3]}, "tags": {"added": ["VIP"], "removed": []}}


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("Rooms", "3.5", "“3.5” is not a whole number."),
        ("Area", "much", "“much” is not a number. Write it in digits, as in 1234.5."),
        ("Budget", "$ 12", "“$ 12” is not an amount in EUR. Write the number alone."),
        ("Member since", "03/04/2026", "Write 2026-04-03 or 2026-03-04."),
        ("Owns a car", "perhaps", "“perhaps” is neither yes nor no."),
        ("District", "East", "“East” is not one of the options: North, South."),
        ("Interests", "Flats; Sheds", "“Sheds” is not one of the options: Flats, Houses, Land."),
        ("Nickname", "#N/A", "a formula failed. Leave the cell blank, or correct it."),
    ],
)
def test_a_cell_that_cannot_be_read_is_named_with_what_would_be_right(
    do: Do, column: str, cell: str, said: str
) -> None:
    one_of_each()
    text = f"name,email,{column}\nAnn,ann@example.com,{cell}\nBob,bob@example.com,"

    (refused,) = plan(text).refused
    counts = do(text)

    assert (refused.row.line, [column for column, _ in refused.mistakes]) == (2, [2])
    assert said in importer.why(refused.mistakes, ["name", "email", column])
    assert importer.why(refused.mistakes, ["name", "email", column]).startswith(f"{column}: ")
    assert counts == {"added": 1, "failed": 1}


def test_a_retired_option_stays_with_whom_has_it_and_is_nobody_elses(do: Do, now: datetime) -> None:
    for kind in ("CHOICE", "CHOICES"):
        field = a_field(kind=kind, label=f"A {kind}", key=f"a_{kind.lower()}", options=["North", "South"])
        ann = a_client(email=f"ann-{kind.lower()}@example.com")
        give(ann, **{field.key: 1 if kind == "CHOICE" else (1,)})
        changes = [OptionChange(1, "North", is_retired=True), OptionChange(2, "South")]
        definitions.set_options(field=field, options=changes, now=now)
        text = f"name,email,{field.label}\n,{ann.email},north\nBob,bob@example.com,north"

        (refused,) = plan(text).refused

        assert do(text) == {"unchanged": 1, "failed": 1}
        assert refused.row.line == 3
        assert refused.mistakes == [
            (2, "An option was retired, so it can’t be chosen any more, except by who has it: “North”.")
        ]


def test_no_column_is_a_field_that_was_retired(now: datetime) -> None:
    field = a_field(label="Rooms", key="rooms")
    definitions.retire(field_id=field.pk, now=now)

    assert columns.guess(["rooms"], [], importer.fields()) == [""]
    with pytest.raises(MappingError, match="There is no field “rooms”, or it was retired"):
        columns.arrange(["email", "field:rooms"], [], importer.fields())


def test_a_field_that_is_retired_while_the_file_is_read_stops_the_import(now: datetime) -> None:
    field = a_field(label="Rooms", key="rooms")
    table, fields = a_table("name,email,rooms\nAnn,ann@example.com,3"), importer.fields()
    layout = columns.arrange(columns.guess(table.header, [], fields), [], fields)
    definitions.retire(field_id=field.pk, now=now)

    with (
        pytest.raises(MappingError, match="retired"),
        importer.run(table=table, layout=layout, origin=ImportOrigin("a.csv", ConsentChange.Source.IMPORT), now=now),
    ):
        pass
    assert not Client.objects.exists()


# --- Recognising columns ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Member since", "member_since", "MEMBER-SINCE", "field:member_since"])
def test_a_column_is_recognised_by_the_label_or_the_key(name: str) -> None:
    a_field(kind="DATE", label="Member since", key="member_since")

    assert columns.guess([name], [], importer.fields()) == ["field:member_since"]


def test_a_name_that_addresses_have_everywhere_is_no_field() -> None:
    a_field(label="Mobile", key="mobile_brand")

    assert columns.guess(["Mobile", "mobile_brand"], [], importer.fields()) == ["phone", "field:mobile_brand"]


@pytest.mark.parametrize(
    ("name", "cells", "meaning"),
    [
        ("Memmber since", ["2025-12-31", "1 May 2020"], "field:member_since"),
        ("Memmber since", ["red", "blue"], ""),
        ("Area of town", ["North", "south", "North"], "field:district"),
        ("Area of town", ["North", "elsewhere", "nowhere"], ""),
        ("Joined", ["2025-12-31", "1 May 2020"], ""),
    ],
)
def test_a_column_is_recognised_by_a_misspelt_label_or_by_its_options(
    name: str, cells: list[str], meaning: str
) -> None:
    one_of_each()

    assert contents.complete([""], [name], [cells], region=None, fields=importer.fields()) == [meaning]


def test_consent_is_not_told_by_options_that_say_yes_and_no() -> None:
    a_field(kind="CHOICE", label="Vegan", options=["Yes", "No"])

    assert contents.complete([""], ["News"], [["yes", "no"]], region=None, fields=importer.fields()) == [""]


# --- Tags -------------------------------------------------------------------------------------------------------------
def test_tags_are_added_to_those_that_are_there(do: Do) -> None:
    vip, berlin = a_tag("VIP"), a_tag("Berlin")
    ann = a_client(email="ann@example.com")
    tags.set_for_many(client_ids=[ann.pk], tags={vip: True}, origin=ChangeOrigin(), now=clock.now())

    assert do("email,tags\nann@example.com,berlin; VIP") == {"changed": 1}
    assert do("email,tags\nann@example.com,Berlin") == {"unchanged": 1}
    assert do("email,tags\nann@example.com,") == {"unchanged": 1}
    assert tags_of(ann) == [berlin.name, vip.name]


def test_a_new_tag_takes_the_right_to_add_it(do: Do) -> None:
    a_tag("VIP")
    text = 'name,email,tags\nAnn,ann@example.com,"Berlin, VIP"\nBob,bob@example.com,BERLIN'

    (refused, _) = plan(text).refused
    without = do(text)
    found = plan(text, adds_tags=True)
    counts = do(text, adds_tags=True)

    assert refused.mistakes == [(2, "There is no tag “Berlin”, and you may not add tags. There are: VIP.")]
    assert without == {"failed": 2}
    assert (found.new_tags, [one.gets.tags for one in found.first]) == (["Berlin"], [["Berlin", "VIP"], ["Berlin"]])
    assert counts == {"added": 2}
    assert {name: tags_of(Client.objects.get(name=name)) for name in ("Ann", "Bob")} == {
        "Ann": ["Berlin", "VIP"],
        "Bob": ["Berlin"],
    }


def test_a_tag_of_a_row_that_is_refused_is_not_added(do: Do) -> None:
    assert do("name,email,tags\n,nobody@example.com,Berlin", adds_tags=True) == {"failed": 1}
    assert not Tag.objects.exists()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("#REF!", "a formula failed"),
        ("x" * 61, "can’t be a tag"),
        (";".join(f"t{number}" for number in range(51)), "more than 50 tags"),
    ],
)
def test_what_can_be_no_tag_is_refused(cell: str, said: str) -> None:
    (refused,) = plan(f"name,email,tags\nAnn,ann@example.com,{cell}", adds_tags=True).refused

    assert said in refused.mistakes[0][1]


def test_nobody_gets_more_tags_than_a_client_can_have(do: Do) -> None:
    ann = a_client(email="ann@example.com")
    first = ";".join(f"t{number}" for number in range(50))
    do(f"email,tags\nann@example.com,{first}", adds_tags=True)

    (refused,) = plan("email,tags\nann@example.com,one more", adds_tags=True).refused

    assert refused.mistakes == [(1, "With these the client would have more than 50 tags.")]
    assert len(tags_of(ann)) == 50


# --- The plan ---------------------------------------------------------------------------------------------------------
def test_the_plan_shows_values_as_people_read_them() -> None:
    one_of_each()
    ann = a_client(name="Ann", email="ann@example.com")
    give(ann, rooms=2, area=Decimal("72.5"))

    (found,) = plan("email,Rooms,Area,Budget,Member since\nann@example.com,3,72.50,1200.5,2025-12-31").first

    assert found.gets.values == [
        ("Rooms", "3", "2"),
        ("Budget", "1,200.50 EUR", None),
        ("Member since", "31 Dec 2025", None),
    ]


def test_a_plan_is_another_one_where_a_value_or_a_tag_was_changed_meanwhile() -> None:
    one_of_each()
    vip, ann = a_tag("VIP"), a_client(email="ann@example.com")
    text = "email,rooms,tags\nann@example.com,3,VIP"
    before = plan(text).version

    tags.set_for_many(client_ids=[ann.pk], tags={vip: True}, origin=ChangeOrigin(), now=clock.now())
    give(ann, rooms=3)

    assert plan(text).version != before


def test_nobody_who_was_erased_gets_a_value(do: Do, now: datetime) -> None:
    one_of_each()
    ann = a_client(name="Ann", email="ann@example.com")
    erasure.erase(client_id=ann.pk, by=a_user(), why="asked", now=now)

    assert do("name,email,rooms\nAnn,ann@example.com,3") == {"added": 1, "suppressed": 1}
    assert of(ann) == {}


def test_a_file_without_such_columns_asks_nothing_of_their_tables(do: Do) -> None:
    a_field(label="Rooms")
    with CaptureQueriesContext(connection) as captured:
        do("name,email\nAnn,ann@example.com")

    said = " ".join(query["sql"] for query in captured)
    assert not [table for table in ("import_value", "import_tag", "clientvalues", "clienttag") if table in said]
