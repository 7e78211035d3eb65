import pytest
from django.db import IntegrityError, transaction

from notifier.messages import pictures
from notifier.pictures import usage
from tests.support.factories import a_broadcast, a_notification, a_picture

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_a_picture_is_used_by_texts_and_by_what_was_sent_of_them() -> None:
    picture, other = a_picture(), a_picture()
    notification = a_notification(subject="Homes", email_body=f"Look {picture.markdown}")
    broadcast = a_broadcast(notification=notification)
    type(notification).objects.update(email_body="another text")

    assert usage.uses_of(picture) == usage.Uses([], [broadcast])
    assert usage.uses_of(picture).in_words == f"broadcast #{broadcast.pk} Homes"
    assert not usage.uses_of(other)


def test_a_text_keeps_its_pictures() -> None:
    picture = a_picture()

    with transaction.atomic():
        usage.keep_those_in(f"Look {picture.markdown}")
        usage.keep_those_in("none")


def test_a_text_with_a_picture_that_was_just_deleted_is_not_saved() -> None:
    picture = a_picture()
    text = picture.markdown
    picture.delete()

    with pytest.raises(IntegrityError), transaction.atomic():
        usage.keep_those_in(text)
    assert pictures.names_in(text)
