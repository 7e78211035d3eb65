from datetime import datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from notifier.fields import tags
from notifier.fields.applying import ChangeOrigin, FieldGone
from notifier.models import Client, ClientTag, Tag, ValueChange
from tests.support.factories import a_client, a_tag, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def names(client: Client) -> list[str]:
    return [tag.name for tag in tags.of_client(client.pk)]


def test_tags_are_set_and_removed_and_each_change_is_on_record(now: datetime) -> None:
    maria, client = a_user(username="maria"), a_client()
    vip, press = a_tag("VIP"), a_tag("Press")

    origin = ChangeOrigin(by=maria, reason="fair")
    assert tags.set_for_many(client_ids=[client.pk], tags={vip: True, press: True}, origin=origin, now=now) == 1
    assert tags.set_for_many(client_ids=[client.pk], tags={vip: True, press: False}, origin=origin, now=now) == 1
    assert tags.set_for_many(client_ids=[client.pk], tags={vip: True}, origin=origin, now=now) == 0

    assert names(client) == ["VIP"]
    changes = [(one.changes, one.by, one.reason) for one in ValueChange.objects.order_by("pk")]
    assert changes == [
        ({"tags": {"added": ["Press", "VIP"], "removed": []}}, maria, "fair"),
        ({"tags": {"added": [], "removed": ["Press"]}}, maria, "fair"),
    ]


def test_a_tag_is_the_same_however_it_is_capitalised() -> None:
    vip = a_tag("VIP")

    with pytest.raises(ValidationError, match="There is a tag “VIP” already"):
        tags.add("vip")
    with pytest.raises(IntegrityError), transaction.atomic():
        Tag.objects.create(name="vip", folded="vip")

    assert tags.named(["vip", "Press"]) == ([vip], ["Press"])


@pytest.mark.parametrize("name", ["", " ", "a,b", "a;b", "-", "two\nlines", "x" * 61])
def test_what_no_tag_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        tags.add(name)
    assert not Tag.objects.exists()


def test_a_renamed_tag_stays_with_its_clients(now: datetime) -> None:
    client, vip = a_client(), a_tag("VIP")
    a_tag("Press")
    tags.set_for_many(client_ids=[client.pk], tags={vip: True}, origin=ChangeOrigin(), now=now)

    tags.rename(tag=vip, name="Vip", now=now)
    with pytest.raises(ValidationError):
        tags.rename(tag=vip, name="press", now=now)

    assert names(client) == ["Vip"]
    # What it was called then.
    assert ValueChange.objects.get().changes["tags"]["added"] == ["VIP"]


def test_a_merge_gives_everybody_the_other_tag_in_batches(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "CHUNK", 2)
    old, new = a_tag("Old"), a_tag("New")
    clients = [a_client() for _ in range(5)]
    ids = [client.pk for client in clients]
    tags.set_for_many(client_ids=ids, tags={old: True}, origin=ChangeOrigin(), now=now)
    tags.set_for_many(client_ids=ids[:1], tags={new: True}, origin=ChangeOrigin(), now=now)

    assert tags.merge(tag=old, into=new, origin=ChangeOrigin(reason="Merged"), now=now) == 5

    assert [names(client) for client in clients] == [["New"]] * 5
    assert list(Tag.objects.values_list("name", flat=True)) == ["New"]
    merged = ValueChange.objects.filter(reason="Merged").order_by("client")
    assert [one.changes["tags"] for one in merged] == [
        {"added": [], "removed": ["Old"]},
        *[{"added": ["New"], "removed": ["Old"]}] * 4,
    ]


def test_a_merge_that_was_cut_off_is_finished_by_the_same_call(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "CHUNK", 2)
    old, new = a_tag("Old"), a_tag("New")
    ids = [a_client().pk for _ in range(5)]
    tags.set_for_many(client_ids=ids, tags={old: True}, origin=ChangeOrigin(), now=now)
    set_for_many, calls = tags.set_for_many, []

    def cut_off(**arguments: object) -> int:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return set_for_many(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tags, "set_for_many", cut_off)
    with pytest.raises(KeyboardInterrupt):
        tags.merge(tag=old, into=new, origin=ChangeOrigin(), now=now)
    monkeypatch.setattr(tags, "set_for_many", set_for_many)
    assert ClientTag.objects.filter(tag=old).count() == 3

    assert tags.merge(tag=old, into=new, origin=ChangeOrigin(), now=now) == 3

    assert ClientTag.objects.filter(tag=new).count() == 5
    assert not Tag.objects.filter(pk=old.pk).exists()


def test_a_tag_that_clients_have_is_not_deleted(now: datetime) -> None:
    vip = a_tag("VIP")
    client = a_client()
    tags.set_for_many(client_ids=[client.pk], tags={vip: True}, origin=ChangeOrigin(), now=now)

    with pytest.raises(tags.TagInUse, match="used by 1 client"):
        tags.delete(tag_id=vip.pk)
    tags.set_for_many(client_ids=[client.pk], tags={vip: False}, origin=ChangeOrigin(), now=now)
    tags.delete(tag_id=vip.pk)

    assert not Tag.objects.exists()


def test_a_tag_that_was_deleted_meanwhile_is_given_to_nobody(now: datetime) -> None:
    vip, client = a_tag("VIP"), a_client()
    tags.delete(tag_id=vip.pk)

    with pytest.raises(FieldGone):
        tags.set_for_many(client_ids=[client.pk], tags={vip: True}, origin=ChangeOrigin(), now=now)

    assert not ClientTag.objects.exists()
