from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from django.urls import reverse

from notifier.fields import tags
from notifier.fields.applying import ChangeOrigin
from notifier.models import Tag, ValueChange
from notifier.runtime import clock
from tests.support.factories import a_client, a_tag
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)


def page_of(tag: Tag, kind: str = "change") -> str:
    return reverse(f"admin:notifier_tag_{kind}", args=[tag.pk])


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().replace("&#x27;", "'").split())


def give(tag: Tag) -> None:
    tags.set_for_many(client_ids=[a_client().pk], tags={tag: True}, origin=ChangeOrigin(), now=clock.now())


def test_a_tag_is_added_and_renamed_and_no_two_are_the_same(admin: Browser) -> None:
    agree_to(admin, reverse("admin:notifier_tag_add"), name="VIP")
    page = agree_to(admin, reverse("admin:notifier_tag_add"), name="vip")
    assert "There is a tag “VIP” already" in text_of(page)
    vip = Tag.objects.get()

    agree_to(admin, page_of(vip), name="Vip")

    assert [(tag.name, tag.folded) for tag in Tag.objects.all()] == [("Vip", "vip")]


def test_a_merge_asks_first_and_is_on_record_with_the_tag_and_with_each_client(admin: Browser) -> None:
    old, new = a_tag("Old"), a_tag("New")
    give(old)
    assert "“Old” is used by 1 client." in text_of(admin.get(page_of(old, "merge")))
    assert Tag.objects.count() == 2

    page = agree_to(admin, page_of(old, "merge"), into=str(new.pk), follow=True)

    assert "“Old” was merged into “New”: 1 client changed." in text_of(page)
    assert list(Tag.objects.all()) == [new]
    assert ValueChange.objects.latest("pk").reason == "Merged “Old” into “New”"
    assert "merged into" in LogEntry.objects.latest("pk").get_change_message()


def test_a_merge_into_nothing_or_itself_does_nothing(admin: Browser) -> None:
    old = a_tag("Old")
    a_tag("New")

    for into in ("", str(old.pk), "999999"):
        page = agree_to(admin, page_of(old, "merge"), into=into)
        assert page.status_code == 200

    assert Tag.objects.count() == 2


def test_a_tag_that_clients_have_is_not_deleted(admin: Browser) -> None:
    used, unused = a_tag("Used"), a_tag("Unused")
    give(used)

    said = text_of(admin.get(page_of(used, "delete"), follow=True))
    agree_to(admin, page_of(unused, "delete"))

    assert "“Used” can’t be deleted, because it is used by 1 client. You can merge it into another tag." in said
    assert list(Tag.objects.all()) == [used]
