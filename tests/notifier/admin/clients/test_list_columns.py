"""The columns of the client list: who chose which, and what they show."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from notifier.fields import definitions, values
from notifier.fields.applying import ChangeOrigin
from notifier.models import ClientField, Profile
from notifier.runtime import clock
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_field, a_tag

pytestmark = pytest.mark.both_engines

LIST = reverse("admin:notifier_client_changelist")
COLUMNS = reverse("admin:notifier_client_columns")


def headings(browser: Browser) -> list[str]:
    table = browser.get(LIST).context["cl"]
    return [str(getattr(column, "short_description", column)) for column in table.list_display]


def three_fields() -> list[ClientField]:
    return [a_field(kind="WHOLE", label=label) for label in ("Rooms", "Floor", "Pets")]


def test_the_first_field_and_tags_are_shown_to_who_never_chose(admin: Browser) -> None:
    three_fields()
    a_tag("VIP")
    a_client()

    assert headings(admin)[-4:] == ["state", "Rooms", "tags", "created"]


def test_values_and_tags_are_shown_as_people_read_them(admin: Browser) -> None:
    field, vip = a_field(kind="MONEY", label="Budget"), a_tag("VIP <b>")
    ann = a_client()
    chosen = {next(iter(definitions.of(field))): Decimal("1200.5")}
    values.set_values(client_id=ann.pk, values=chosen, tags={vip: True}, origin=ChangeOrigin(), now=clock.now())

    html = admin.get(LIST).content.decode()

    assert "1,200.50 EUR" in html
    assert '<span class="tag">VIP &lt;b&gt;</span>' in html


def test_what_somebody_chose_is_kept_for_them_alone(admin: Browser, superuser: User, staff: LogIn) -> None:
    _, floor, pets = three_fields()
    a_tag("VIP")

    answer = admin.post(COLUMNS, {"column": [pets.pk, floor.pk], "list": "state=active"})

    assert answer.headers["Location"] == f"{LIST}?state=active"
    assert headings(admin)[-4:] == ["state", "Floor", "Pets", "created"]
    assert Profile.objects.get(user=superuser).client_columns == [floor.pk, pets.pk]
    assert headings(staff("notifier.view_client"))[-4:] == ["state", "Rooms", "tags", "created"]


def test_none_is_a_choice_too_and_can_be_taken_back(admin: Browser) -> None:
    three_fields()
    admin.post(COLUMNS, {})

    assert headings(admin)[-2:] == ["state", "created"]
    assert "Rooms" not in headings(admin)

    admin.post(COLUMNS, {"default": "1"})
    assert "Rooms" in headings(admin)


@pytest.mark.parametrize("column", ["0", "x", "9" * 40, "-1", "tags"])
def test_nonsense_is_no_column(admin: Browser, column: str) -> None:
    three_fields()

    assert admin.post(COLUMNS, {"column": column}).status_code == 302
    assert headings(admin)[-2:] == ["state", "created"]


def test_a_profile_of_nonsense_shows_the_list_all_the_same(admin: Browser, superuser: User) -> None:
    three_fields()
    Profile.objects.create(user=superuser, client_columns={"what": 1})

    assert "Rooms" in headings(admin)


def test_a_retired_field_is_not_shown(admin: Browser) -> None:
    rooms, *_ = three_fields()
    admin.post(COLUMNS, {"column": [rooms.pk]})
    definitions.retire(field_id=rooms.pk, now=clock.now())

    assert "Rooms" not in headings(admin)


def test_the_list_sorts_by_no_field(admin: Browser) -> None:
    three_fields()
    a_client(name="B")
    a_client(name="A")

    page = admin.get(LIST, {"o": "5"})

    assert page.status_code == 200
    assert [client.name for client in page.context["cl"].result_list] == ["A", "B"]


def test_more_clients_take_no_more_queries(admin: Browser, django_assert_max_num_queries: Any) -> None:
    fields, vip = three_fields(), a_tag("VIP")

    def add(number: int) -> None:
        for _ in range(number):
            chosen = dict.fromkeys(definitions.of(*fields), 3)
            values.set_values(
                client_id=a_client().pk, values=chosen, tags={vip: True}, origin=ChangeOrigin(), now=clock.now()
            )

    add(1)
    with django_assert_max_num_queries(60) as first:
        admin.get(LIST)
    add(10)
    with django_assert_max_num_queries(len(first)):
        admin.get(LIST)


def test_eight_fields_and_twenty_tags_take_no_more_queries(
    admin: Browser, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def choose(fields: list[ClientField]) -> None:
        admin.post(COLUMNS, {"column": ["tags", *(str(field.pk) for field in fields)]})

    first = [a_field(kind="CHOICES", key="list_0", options=["One", "Two"])]
    a_tag()
    a_client()
    choose(first)
    admin.get(LIST)
    with django_assert_max_num_queries(60) as captured:
        admin.get(LIST)
    # Another request empties the log.
    few = len(captured)
    first += [a_field(kind="CHOICES", key=f"list_{number}", options=["One", "Two"]) for number in range(1, 8)]
    for _ in range(19):
        a_tag()
    choose(first)

    with django_assert_max_num_queries(few):
        page = admin.get(LIST)

    assert {field.label for field in first} <= {
        str(getattr(column, "short_description", column)) for column in page.context["cl"].list_display
    }


def test_only_who_may_see_clients_chooses(staff: LogIn) -> None:
    assert staff("notifier.view_topic").post(COLUMNS, {}).status_code == 403
    assert staff("notifier.view_client").get(COLUMNS).status_code == 405
