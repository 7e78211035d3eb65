"""Adding and removing the tags of many clients: what the page asks, counts and does."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse

from notifier.clients import erasure
from notifier.fields import tags
from notifier.fields.applying import ChangeOrigin
from notifier.models import Client, ClientTag, Tag, ValueChange
from notifier.runtime import clock
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_tag, a_user
from tests.support.forms import agree_to, form_of

pytestmark = pytest.mark.both_engines

LIST = "admin:notifier_client_changelist"
MAY = ("notifier.view_client", "notifier.change_client")


def url(name: str, *clients: Client, listed: str | None = None, **query: Any) -> str:
    chosen: dict[str, Any] = {"ids": ",".join(str(client.pk) for client in clients)} if clients else {}
    chosen |= {} if listed is None else {"list": listed}
    return reverse("admin:notifier_client_tag", args=[name], query=chosen | query)


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


def tag(*clients: Client, **on: bool) -> None:
    given = {Tag.objects.get(name=name): is_on for name, is_on in on.items()}
    tags.set_for_many(client_ids=[one.pk for one in clients], tags=given, origin=ChangeOrigin(), now=clock.now())


def tags_of(client: Client) -> list[str]:
    return [one.name for one in tags.of_client(client.pk)]


def test_the_actions_of_the_list_lead_to_the_page(admin: Browser) -> None:
    ann, bob = a_client(), a_client()
    action = {"action": "add_to_selected", "_selected_action": [ann.pk, bob.pk], "index": 0}

    ticked = admin.post(reverse(LIST), action).headers["Location"]
    every = admin.post(f"{reverse(LIST)}?state=active", action | {"select_across": "1"}).headers["Location"]

    assert ticked.startswith(f"{reverse('admin:notifier_client_tag', args=['add'])}?ids={ann.pk},{bob.pk}&")
    assert every == f"{reverse('admin:notifier_client_tag', args=['add'])}?list=state%3Dactive"


def test_without_tags_it_asks_which(admin: Browser) -> None:
    a_tag("VIP")

    text = text_of(admin.get(url("add", a_client())))

    assert "The 1 client that you selected." in text
    assert "VIP" in text
    assert 'id="do-it"' not in text


def test_it_counts_whom_it_would_change_and_changes_them(admin: Browser) -> None:
    vip, berlin = a_tag("VIP"), a_tag("Berlin")
    ann, bob, cyd = (a_client(name=name) for name in ("Ann", "Bob", "Cyd"))
    tag(ann, VIP=True, Berlin=True)
    tag(bob, VIP=True)
    address = url("add", ann, bob, cyd, tag=[vip.pk, berlin.pk])

    text = text_of(admin.get(address))
    answer = agree_to(admin, address, follow=True)

    assert "Add “Berlin” and “VIP” to 2 clients?" in text
    assert "<strong>1</strong> unchanged: tagged already" in text
    assert "2 clients tagged: “Berlin” and “VIP”." in text_of(answer)
    assert [tags_of(one) for one in (ann, bob, cyd)] == [["Berlin", "VIP"]] * 3


def test_it_is_on_record_with_each_client(admin: Browser, superuser: User) -> None:
    vip, ann = a_tag("VIP"), a_client()

    agree_to(admin, url("add", ann, tag=vip.pk))

    change = ValueChange.objects.get(client=ann)
    assert (change.by, change.changes) == (superuser, {"tags": {"added": ["VIP"], "removed": []}})


def test_removing_takes_them_from_those_who_have_them(admin: Browser) -> None:
    vip, ann, bob = a_tag("VIP"), a_client(), a_client()
    tag(ann, VIP=True)
    address = url("remove", ann, bob, tag=vip.pk)

    text = text_of(admin.get(address))
    agree_to(admin, address)

    assert "Remove “VIP” from 1 client?" in text
    assert "<strong>1</strong> unchanged: not tagged so" in text
    assert not ClientTag.objects.exists()


def test_all_that_the_list_finds_are_tagged_and_no_others(admin: Browser) -> None:
    vip = a_tag("VIP")
    found, other = [a_client(), a_client()], a_client(is_active=False)

    agree_to(admin, url("add", listed="state=active", tag=vip.pk))

    assert [tags_of(one) for one in (*found, other)] == [["VIP"], ["VIP"], []]


def test_a_new_tag_takes_the_right_to_add_it(staff: LogIn) -> None:
    ann = a_client()
    address = url("add", ann, new="Berlin, Spring fair")

    without = staff(*MAY).get(address)
    posted = staff(*MAY).post(address, {"seen": "x"})
    assert "There is no tag “Berlin”, and you may not add tags." in text_of(without)
    assert posted.status_code == 200
    assert not Tag.objects.exists()

    browser = staff(*MAY, "notifier.add_tag")
    assert "New tags: Berlin, Spring fair." in text_of(browser.get(address))
    assert not Tag.objects.exists()
    agree_to(browser, address)
    assert tags_of(ann) == ["Berlin", "Spring fair"]


def test_nothing_is_done_where_the_clients_have_changed_since(admin: Browser) -> None:
    vip, ann, bob = a_tag("VIP"), a_client(), a_client()
    address = url("add", ann, bob, tag=vip.pk)
    form = form_of(admin.get(address).content.decode())
    tag(bob, VIP=True)

    answer = admin.post(address, form)

    assert "Nothing was done" in text_of(answer)
    assert "to 1 client?" in text_of(answer)
    assert tags_of(ann) == []


def test_who_was_erased_gets_no_tag(admin: Browser) -> None:
    vip, ann, bob = a_tag("VIP"), a_client(), a_client()
    erasure.erase(client_id=ann.pk, by=a_user(), why="asked", now=clock.now())

    agree_to(admin, url("add", ann, bob, tag=vip.pk))

    assert [tags_of(ann), tags_of(bob)] == [[], ["VIP"]]


def test_who_has_as_many_tags_as_a_client_can_have_gets_no_more(admin: Browser) -> None:
    vip, ann, bob = a_tag("VIP"), a_client(), a_client()
    many = [a_tag(f"t{number}") for number in range(tags.MAX_OF_CLIENT)]
    tags.set_for_many(client_ids=[ann.pk], tags=dict.fromkeys(many, True), origin=ChangeOrigin(), now=clock.now())
    address = url("add", ann, bob, tag=vip.pk)

    text = text_of(admin.get(address))
    agree_to(admin, address)

    assert "<strong>1</strong> unchanged: they would have more than 50 tags" in text
    assert [len(tags_of(ann)), tags_of(bob)] == [50, ["VIP"]]


@pytest.mark.parametrize(
    "query", [{"tag": "x"}, {"tag": "9" * 40}, {"new": ",;,"}, {"new": "x" * 61}, {"new": "#\x00"}]
)
def test_nonsense_gets_no_error(admin: Browser, query: dict[str, str]) -> None:
    assert admin.get(url("add", a_client(), **query)).status_code in (200, 400)
    assert not Tag.objects.exists()


def test_it_takes_the_right_to_change_clients(staff: LogIn) -> None:
    vip, ann = a_tag("VIP"), a_client()

    for permissions in (["notifier.view_client"], ["notifier.change_client"][:0], ["notifier.add_tag"]):
        assert staff(*permissions).get(url("add", ann, tag=vip.pk)).status_code == 403
    assert staff(*MAY).get(url("add", ann, tag=vip.pk)).status_code == 200
    assert staff(*MAY).get(url("other", ann, tag=vip.pk)).status_code == 404
