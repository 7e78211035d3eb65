from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Client
from tests.notifier.admin.clients.test_client_admin import ADD, errors_of, filled_in
from tests.support.factories import a_client
from tests.support.forms import form_of

pytestmark = pytest.mark.both_engines

TAKEN = "The full name is made from the first and last name. Change those, or clear both to enter another."


def edit(browser: Browser, client: Client, **changes: str) -> Any:
    url = reverse("admin:notifier_client_change", args=[client.pk], query={"edit": "1"})
    return browser.post(url, form_of(browser.get(url).content.decode()) | changes)


def called(client: Client) -> tuple[str, str, str]:
    client.refresh_from_db()
    return client.name, client.first_name, client.last_name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ({"first_name": "Gabriela", "last_name": "García Márquez"}, "Gabriela García Márquez"),
        ({"first_name": " Teller "}, "Teller"),
        ({"last_name": "Lee"}, "Lee"),
        ({"name": "Moss, Mrs Fay"}, "Moss, Mrs Fay"),
        ({"first_name": "Ann", "last_name": "Lee", "name": "Ann Lee"}, "Ann Lee"),
    ],
)
def test_a_new_client_is_called_by_the_parts_or_by_the_full_name(
    admin: Browser, typed: dict[str, str], name: str
) -> None:
    admin.post(reverse(ADD), filled_in(admin.get(reverse(ADD)), email="new@example.com", **typed))

    client = Client.objects.get()
    parts = typed.get("first_name", "").strip(), typed.get("last_name", "")
    assert called(client) == (name, *parts)


def test_without_any_name_the_first_field_says_so(admin: Browser) -> None:
    page = admin.post(reverse(ADD), filled_in(admin.get(reverse(ADD)), email="new@example.com"))

    assert errors_of(page) == {"first_name": ["Enter a first name, a last name, or a full name."]}


def test_the_full_name_follows_a_part_and_each_change_is_on_record(admin: Browser) -> None:
    client = a_client(first_name="Ann", last_name="Lee")

    edit(admin, client, last_name="Moss")

    assert called(client) == ("Ann Moss", "Ann", "Moss")
    newest = client.history.order_by("-history_id").first()
    assert (newest.name, newest.first_name, newest.last_name) == ("Ann Moss", "Ann", "Moss")


def test_another_full_name_beside_the_parts_is_refused_and_nothing_is_lost(admin: Browser) -> None:
    client = a_client(first_name="Ann", last_name="Lee")

    page = edit(admin, client, name="Acme Homes")

    assert errors_of(page) == {"name": [TAKEN]}
    assert 'value="Acme Homes"' in page.content.decode()
    assert called(client) == ("Ann Lee", "Ann", "Lee")


def test_with_both_parts_cleared_the_full_name_is_what_was_typed_or_stays(admin: Browser) -> None:
    first, second = a_client(first_name="Ann", last_name="Lee"), a_client(first_name="Bea", last_name="Moss")

    edit(admin, first, first_name="", last_name="", name="Acme Homes")
    edit(admin, second, first_name="", last_name="")

    assert called(first) == ("Acme Homes", "", "")
    assert called(second) == ("Bea Moss", "", "")


def test_parts_that_are_longer_together_than_a_name_may_be_are_refused(admin: Browser) -> None:
    client = a_client(first_name="Ann", last_name="Lee")

    page = edit(admin, client, first_name="a" * 150, last_name="b" * 50)

    assert errors_of(page) == {"last_name": ["The name is longer than 200 characters."]}


@pytest.mark.parametrize("part", ["first_name", "last_name"])
def test_a_part_is_a_name(admin: Browser, part: str) -> None:
    page = edit(admin, a_client(first_name="Ann", last_name="Lee"), **{part: "-"})

    assert list(errors_of(page)) == [part]


def test_two_people_who_change_one_part_each_do_not_overwrite_each_other(admin: Browser) -> None:
    client = a_client(first_name="Ann", last_name="Lee")
    url = reverse("admin:notifier_client_change", args=[client.pk], query={"edit": "1"})
    form = form_of(admin.get(url).content.decode())
    edit(admin, client, last_name="Moss")

    refused = admin.post(url, form | {"first_name": "Anna"})
    again = form_of(refused.content.decode())
    admin.post(url, again)

    assert "Nothing was saved. This has changed since you opened the page: full name, last name" in " ".join(
        refused.content.decode().split()
    ).replace("  ", " ")
    assert called(client) == ("Anna Moss", "Anna", "Moss")
