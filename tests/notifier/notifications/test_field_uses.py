"""A field that a text has a placeholder of stays, under its key."""

import uuid
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from notifier.broadcasts import lifecycle
from notifier.fields import definitions, usage
from notifier.fields.definitions import FieldInUse
from notifier.messages.variants import Texts
from notifier.models import Broadcast, ClientField
from notifier.runtime import clock
from tests.support.factories import a_broadcast, a_field, a_notification

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

PLAIN: dict[str, Any] = {"subject": "Homes", "email_body": "Look", "sms_body": "Hi"}


@pytest.mark.parametrize("where", ["subject", "preheader", "email_body", "sms_body"])
def test_a_field_in_any_text_is_not_deleted_and_keeps_its_key(where: str) -> None:
    field = a_field(key="town")
    a_notification(**PLAIN | {where: 'Near {{ town | "you" }}'})

    with pytest.raises(FieldInUse, match="can’t be deleted, because it is used by the notification “"):
        definitions.delete(field_id=field.pk)
    field.key = "place"
    with pytest.raises(FieldInUse, match=r"The key of “.*” can’t be changed"):
        definitions.save(field)


def test_a_text_in_another_language_uses_it_too() -> None:
    field = a_field(key="town")
    text = a_notification(**PLAIN, de=Texts("Neues", "", "In {{ town }}"))

    assert usage.uses_of(field) == [f"the notification “{text}”"]


def test_the_letters_of_a_key_alone_are_no_use_of_it() -> None:
    field = a_field(key="town")
    a_notification(**PLAIN | {"email_body": "Our town {{ town_hall }} {town}"})

    assert usage.uses_of(field) == []
    definitions.delete(field_id=field.pk)


def test_a_broadcast_uses_it_until_it_has_ended() -> None:
    field = a_field(key="town")
    text = a_notification(**PLAIN | {"sms_body": "In {{ town }}"})
    broadcast = a_broadcast(notification=text)
    text.sms_body = "Hi"
    text.save()
    assert usage.uses_of(field) == [f"the broadcast {broadcast}"]

    Broadcast.objects.update(state=Broadcast.State.FINISHED, finished_at=clock.now())

    definitions.delete(field_id=field.pk)
    assert not ClientField.objects.exists()


def test_no_more_are_named_than_a_message_has_room_for() -> None:
    field = a_field(key="town")
    for _ in range(6):
        a_notification(**PLAIN | {"sms_body": "In {{ town }}"})

    assert len(usage.uses_of(field)) == usage.MAX_NAMED + 1


@pytest.mark.parametrize("name", ["subject", "preheader", "email_body", "sms_body"])
def test_only_fields_that_there_are_can_be_written(name: str) -> None:
    field = a_field(key="town")
    text = a_notification(**PLAIN)
    setattr(text, name, "In {{ town }}")
    text.full_clean()

    definitions.retire(field_id=field.pk, now=clock.now())
    with pytest.raises(ValidationError, match="because the field was retired"):
        text.full_clean()
    setattr(text, name, "In {{ twon }}")
    with pytest.raises(ValidationError, match=r"There is no placeholder \{\{ twon"):
        text.full_clean()


def test_a_text_with_a_field_that_was_retired_is_not_sent() -> None:
    field = a_field(key="town")
    text = a_notification(**PLAIN | {"sms_body": "In {{ town }}"})
    definitions.retire(field_id=field.pk, now=clock.now())
    request: Any = {"seen": {text.pk: text.updated_at}, "by": None, "now": clock.now()}

    with pytest.raises(lifecycle.BadText, match="because the field was retired"):
        lifecycle.create(**request, token=uuid.uuid4())

    definitions.restore(field_id=field.pk)
    (made,) = lifecycle.create(**request, token=uuid.uuid4())
    assert made.sms_body == "In {{ town }}"
