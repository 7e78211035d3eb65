"""What staff define about clients, in the form of one: filled in, refused, and not overwritten."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifier.fields import definitions, tags, values
from notifier.fields.applying import ChangeOrigin
from notifier.models import Client, Tag, ValueChange
from notifier.runtime import clock
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_field, a_tag, a_user
from tests.support.forms import form_of

pytestmark = pytest.mark.both_engines

RIGHTS = ("notifier.view_client", "notifier.change_client", "notifier.view_preference")


def page_of(client: Client) -> str:
    return reverse("admin:notifier_client_change", args=[client.pk], query={"edit": "1"})


def opened(browser: Browser, client: Client) -> dict[str, Any]:
    return form_of(browser.get(page_of(client)).content.decode())


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().replace("&#x27;", "'").split())


def has(client: Client) -> dict[str, Any]:
    """What the client has, shown, by the label."""
    found = values.of_client(client.pk, definitions.every())
    return {one.label: one.type.show(found[one.id]) for one in definitions.every() if one.id in found}


def set_(client: Client, field: Any, value: Any, by: Any = None) -> None:
    (definition,) = definitions.of(field)
    values.set_values(client_id=client.pk, values={definition: value}, origin=ChangeOrigin(by=by), now=clock.now())


def fields_of_each_kind() -> dict[str, Any]:
    """What is typed into each, by its name in the form."""
    typed: dict[Any, str | list[str]] = {
        a_field(label="City"): " Köln ",
        a_field(label="Visits", kind="WHOLE"): "1,234",
        a_field(label="Height", kind="DECIMAL"): "1.75",
        a_field(label="Balance", kind="MONEY"): "€ 12.5",
        a_field(label="Born", kind="DATE"): "2000-02-29",
        a_field(label="Member", kind="YES_NO"): "no",
        a_field(label="Size", kind="CHOICE", options=["Small", "Large"]): "2",
        a_field(label="Colours", kind="CHOICES", options=["Red", "Green", "Blue"]): ["1", "3"],
    }
    return {f"field_{field.pk}": text for field, text in typed.items()}


SHOWN = {
    "City": "Köln",
    "Visits": "1,234",
    "Height": "1.75",
    "Balance": "12.50 EUR",
    "Born": "29 Feb 2000",
    "Member": "No",
    "Size": "Large",
    "Colours": "Red, Blue",
}


def test_a_value_of_each_kind_is_filled_in_shown_and_kept_when_the_form_is_saved_again(admin: Browser) -> None:
    typed, client = fields_of_each_kind(), a_client()

    assert admin.post(page_of(client), opened(admin, client) | typed | {"tags": "VIP, press"}).status_code == 302

    assert has(client) == SHOWN
    assert [tag.name for tag in tags.of_client(client.pk)] == ["press", "VIP"]
    profile = text_of(admin.get(reverse("admin:notifier_client_change", args=[client.pk])))
    assert all(value in profile for value in [*SHOWN.values(), "VIP"])
    changes = ValueChange.objects.count()

    assert admin.post(page_of(client), opened(admin, client)).status_code == 302

    assert has(client) == SHOWN
    assert ValueChange.objects.count() == changes == 1


def test_a_new_client_gets_values_with_the_first_save(admin: Browser) -> None:
    field = a_field(label="City")
    add = reverse("admin:notifier_client_add")
    form = form_of(admin.get(add).content.decode())

    admin.post(add, form | {"name": "Ann", "email": "ann@example.com", f"field_{field.pk}": "Bonn", "tags": "VIP"})

    client = Client.objects.get()
    assert has(client) == {"City": "Bonn"}
    assert [tag.name for tag in tags.of_client(client.pk)] == ["VIP"]


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(admin: Browser) -> None:
    field, client = a_field(label="Visits", kind="WHOLE"), a_client()

    page = admin.post(page_of(client), opened(admin, client) | {f"field_{field.pk}": "many", "tags": "VIP"})

    assert "“many” is not a number." in text_of(page)
    again = form_of(page.content.decode())
    assert (again[f"field_{field.pk}"], again["tags"]) == (["many"], ["VIP"])
    assert not ValueChange.objects.exists()
    assert not Tag.objects.exists()


def test_what_a_colleague_has_filled_in_since_is_not_overwritten(admin: Browser) -> None:
    city, member = a_field(label="City"), a_field(label="Member", kind="YES_NO")
    client, bob = a_client(), a_user(username="bob")
    form = opened(admin, client)
    set_(client, city, "Bonn", bob)
    set_(client, member, False, bob)

    page = admin.post(page_of(client), form | {f"field_{city.pk}": "Köln"})

    text = text_of(page)
    assert has(client) == {"City": "Bonn", "Member": "No"}
    assert "Someone else has changed this to “Bonn”." in text
    assert "Member: “no” now." in text
    assert "bob, " in text
    again = form_of(page.content.decode())
    assert again[f"field_{city.pk}"] == ["Köln"]

    assert admin.post(page_of(client), again).status_code == 302

    assert has(client) == {"City": "Köln", "Member": "No"}


def test_a_field_that_was_retired_is_offered_no_more_and_what_it_has_is_shown(admin: Browser) -> None:
    field, client = a_field(label="City"), a_client()
    set_(client, field, "Bonn")
    definitions.retire(field_id=field.pk, now=clock.now())

    assert f"field_{field.pk}" not in opened(admin, client)
    admin.post(page_of(client), opened(admin, client) | {"name": "Renamed"})

    assert has(client) == {"City": "Bonn"}
    assert "Bonn" in text_of(admin.get(reverse("admin:notifier_client_change", args=[client.pk])))


def test_an_option_that_was_retired_stays_with_whoever_has_it(admin: Browser) -> None:
    field = a_field(label="Size", kind="CHOICE", options=["Small", "Large"])
    has_it, lacks_it = a_client(), a_client()
    set_(has_it, field, 1)
    retired = [definitions.OptionChange(1, "Small", is_retired=True)]
    definitions.set_options(field=field, options=retired, now=clock.now())

    assert opened(admin, has_it)[f"field_{field.pk}"] == ["1"]
    admin.post(page_of(has_it), opened(admin, has_it) | {"name": "Renamed"})
    page = admin.post(page_of(lacks_it), opened(admin, lacks_it) | {f"field_{field.pk}": "1"})

    assert has(has_it) == {"Size": "Small"}
    assert page.status_code == 200
    assert has(lacks_it) == {}


def test_new_tags_are_made_only_by_those_who_may(staff: LogIn) -> None:
    client = a_client()
    a_tag("VIP")
    browser = staff(*RIGHTS)

    page = browser.post(page_of(client), opened(browser, client) | {"tags": "vip, press"})
    assert "There is no tag “press”, and you can’t add tags." in text_of(page)

    assert browser.post(page_of(client), opened(browser, client) | {"tags": "vip"}).status_code == 302
    assert [tag.name for tag in tags.of_client(client.pk)] == ["VIP"]


def test_the_history_shows_who_changed_what(admin: Browser) -> None:
    field, client = a_field(label="City"), a_client()
    set_(client, field, "Bonn", a_user(username="maria"))

    text = text_of(admin.get(reverse("admin:notifier_client_history", args=[client.pk])))

    assert "maria" in text
    assert "<strong>City</strong> <ins>Bonn</ins>" in text


def test_the_page_takes_as_many_queries_for_many_fields_as_for_few(admin: Browser) -> None:
    client = a_client()
    set_(client, a_field(), "Bonn")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(page_of(client))
        return len(captured)

    a_field(kind="CHOICE", options=["A"])
    queries()
    few = queries()
    for _ in range(10):
        set_(client, a_field(), "Bonn")
        set_(client, a_field(kind="CHOICE", options=["A", "B"]), 1)

    assert queries() == few
