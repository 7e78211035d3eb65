"""The client list by fields and tags: what each filter finds, and what is said of what can't be read."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from django.urls import reverse

from notifier.fields import definitions, tags, values
from notifier.fields.applying import ChangeOrigin
from notifier.models import Client
from notifier.runtime import clock
from tests.support.factories import a_client, a_field, a_tag
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines

LIST = reverse("admin:notifier_client_changelist")


def give(client: Client, **chosen: Any) -> Client:
    by_key = {one.key: one for one in definitions.every()}
    values.set_values(
        client_id=client.pk,
        values={by_key[key]: value for key, value in chosen.items()},
        origin=ChangeOrigin(),
        now=clock.now(),
    )
    return client


@pytest.fixture
def three(db: None) -> None:
    """Ann and Bob with a value in each field, Cyd with none."""
    a_field(kind="TEXT", label="Nickname", key="nickname")
    a_field(kind="WHOLE", label="Rooms", key="rooms")
    a_field(kind="MONEY", label="Budget", key="budget")
    a_field(kind="DATE", label="Member since", key="since_when")
    a_field(kind="YES_NO", label="Owns a car", key="owns_car")
    a_field(kind="CHOICE", label="District", key="district", options=["North", "South"])
    a_field(kind="CHOICES", label="Interests", key="interests", options=["Flats", "Houses", "Land"])
    give(
        a_client(name="Ann"),
        nickname="Änne 100%",
        rooms=3,
        budget=Decimal("1200.5"),
        since_when=date(2025, 12, 31),
        owns_car=True,
        district=1,
        interests=(1, 3),
    )
    give(
        a_client(name="Bob"),
        nickname="bobby",
        rooms=5,
        budget=Decimal(900),
        since_when=date(2020, 1, 1),
        owns_car=False,
        district=2,
        interests=(2,),
    )
    a_client(name="Cyd")


def found(admin: Browser, **query: Any) -> list[str]:
    page = admin.get(LIST, query)
    assert page.status_code == 200
    return [client.name for client in page.context["cl"].result_list]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"f.nickname.begins": "änne"}, ["Ann"]),
        ({"f.nickname.contains": "BB"}, ["Bob"]),
        ({"f.nickname.contains": "0%"}, ["Ann"]),
        ({"f.nickname.contains": "%"}, ["Ann"]),
        ({"f.rooms.from": "4"}, ["Bob"]),
        ({"f.rooms.from": "3", "f.rooms.to": "3"}, ["Ann"]),
        ({"f.budget.to": "1,000"}, ["Bob"]),
        ({"f.budget.from": "1200.50"}, ["Ann"]),
        ({"f.since_when.from": "2021-01-01", "f.since_when.to": "2025-12-31"}, ["Ann"]),
        ({"f.owns_car": "yes"}, ["Ann"]),
        ({"f.owns_car": ["no", "none"]}, ["Bob", "Cyd"]),
        ({"f.district": "2"}, ["Bob"]),
        ({"f.district": ["1", "2"]}, ["Ann", "Bob"]),
        ({"f.interests": "3"}, ["Ann"]),
        ({"f.interests": ["2", "3"]}, ["Ann", "Bob"]),
        ({"f.rooms": "any"}, ["Ann", "Bob"]),
        ({"f.rooms": "none"}, ["Cyd"]),
        ({"f.rooms": "any", "f.owns_car": "no"}, ["Bob"]),
        ({"f.rooms.from": "", "f.rooms.to": " "}, ["Ann", "Bob", "Cyd"]),
    ],
)
def test_each_kind_is_filtered_in_its_own_way(
    admin: Browser, three: None, query: dict[str, Any], names: list[str]
) -> None:
    assert found(admin, **query) == names


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"f.rooms.from": "many"}, "Rooms: “many” is not a number."),
        ({"f.since_when.to": "03/04/2026"}, "can be read as"),
        ({"f.rooms.contains": "3"}, "“Rooms” can’t be filtered like this."),
        ({"f.rooms.": "3"}, ""),
        ({"f.": "3"}, "a field that there is not any more"),
        ({"f.gone": "any"}, "a field that there is not any more"),
        ({"f.gone.from.to": "\x00"}, ""),
        ({"f.district": "99"}, "something that “District” can’t be"),
        ({"f.district": "9" * 60}, "something that “District” can’t be"),
        ({"f.rooms": "maybe"}, "something that “Rooms” can’t be"),
        ({"tag": "99999999999999999999999"}, "a tag that there is not any more"),
        ({"tag": "x"}, "a tag that there is not any more"),
    ],
)
def test_what_cannot_be_read_lists_nobody_and_says_why(
    admin: Browser, three: None, query: dict[str, Any], said: str
) -> None:
    page = admin.get(LIST, query)

    assert page.status_code in ((200,) if said else (200, 400))
    if said:
        assert said in page.content.decode()
        assert list(page.context["cl"].result_list) == []


def test_an_act_about_all_that_such_a_list_finds_is_about_nobody(admin: Browser, three: None) -> None:
    page = admin.get(reverse("admin:notifier_client_decide", args=["archive"], query={"list": "f.rooms.from=many"}))

    assert page.status_code == 302


def test_a_tag_finds_those_who_have_it_and_no_tag_those_who_have_none(admin: Browser, three: None) -> None:
    vip, ann = a_tag("VIP"), Client.objects.get(name="Ann")
    tags.set_for_many(client_ids=[ann.pk], tags={vip: True}, origin=ChangeOrigin(), now=clock.now())

    assert found(admin, tag=vip.pk) == ["Ann"]
    assert found(admin, tag="none") == ["Bob", "Cyd"]


def test_the_form_keeps_what_else_the_list_is_filtered_by(admin: Browser, three: None) -> None:
    html = admin.get(LIST, {"state": "active", "q": "Ann", "f.rooms.from": "2"}).content.decode()
    form = html[html.index('id="field-filters"') : html.index("</form>", html.index('id="field-filters"'))]

    assert '<input type="hidden" name="state" value="active">' in form
    assert '<input type="hidden" name="q" value="Ann">' in form
    assert 'value="2"' in form


def test_a_retired_field_is_offered_only_where_the_list_is_filtered_by_it(admin: Browser, three: None) -> None:
    field = next(one.field for one in definitions.every() if one.key == "rooms")
    definitions.retire(field_id=field.pk, now=clock.now())

    assert 'name="f.rooms"' not in admin.get(LIST).content.decode()
    page = admin.get(LIST, {"f.rooms": "any"})
    assert 'name="f.rooms"' in page.content.decode()
    assert [client.name for client in page.context["cl"].result_list] == ["Ann", "Bob"]


def test_who_is_found_by_a_field_is_exported(admin: Browser, three: None) -> None:
    page = admin.get(reverse("admin:notifier_client_export", query={"list": "f.rooms.from=4"}))

    assert "1 client: everyone in this list." in " ".join(page.content.decode().split())


def test_a_list_too_long_to_be_counted_is_found_the_same_way(
    admin: Browser, three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("lists.change_list", "lists.paginator", "clients.audience_lists"):
        monkeypatch.setattr(f"notifier.admin.{module}.MAX_COUNTED", 2)

    assert found(admin, **{"f.rooms": "any"}) == ["Ann", "Bob"]
    assert found(admin, **{"f.rooms": ["any", "none"], "o": "-1"}) == ["Cyd", "Bob", "Ann"]
    assert found(admin, **{"f.district": "2"}) == ["Bob"]


def test_the_record_of_an_export_says_by_which_field_and_not_what_was_asked_for(admin: Browser, three: None) -> None:
    address = reverse("admin:notifier_client_export", query={"list": "f.nickname.begins=änne&state=active"})

    agree_to(admin, address, kind="csv")

    assert LogEntry.objects.latest("pk").change_message == "Exported clients as CSV: f.nickname.begins, state=active."
