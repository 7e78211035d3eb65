from functools import partial

import pytest
from django.db import IntegrityError, transaction

from notifier.admin.lists import saving
from notifier.messages import pictures
from notifier.models import Notification, Picture
from notifier.pictures import storing, usage
from tests.support.database.connections import OtherConnection
from tests.support.factories import a_brand, a_broadcast, a_notification, a_picture

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
concurrent = pytest.mark.django_db(transaction=True)


def test_a_picture_is_used_by_texts_and_by_what_was_sent_of_them() -> None:
    picture, other = a_picture(), a_picture()
    notification = a_notification(subject="Homes", email_body=f"Look {picture.markdown}")
    broadcast = a_broadcast(notification=notification)
    type(notification).objects.update(email_body="another text")

    assert usage.uses_of(picture) == usage.Uses([], [broadcast])
    assert usage.uses_of(picture).in_words == f"broadcast #{broadcast.pk} Homes"
    assert not usage.uses_of(other)


def test_the_logo_of_the_brand_and_those_that_broadcasts_keep_are_used() -> None:
    now, then = a_picture(), a_picture()
    brand = a_brand(logo=then)
    broadcast = a_broadcast(brand=brand.look.as_json())
    a_brand(logo=now)

    assert usage.uses_of(now) == usage.Uses([], [], in_brand=True)
    assert usage.uses_of(then) == usage.Uses([], [broadcast])


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


# --- Two people at once -----------------------------------------------------------------------------------------------
def save(text: str) -> Notification:
    """As the form does."""
    notification = a_notification(email_body=text)
    usage.keep_those_in(text)
    return notification


def delete(picture: Picture) -> bool:
    """As the page does; whether it was deleted."""
    saving.lock(Picture, str(picture.pk))
    if usage.uses_of(picture):
        return False
    storing.delete(picture)
    return True


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_whoever_deletes_a_picture_sees_the_text_that_is_being_saved() -> None:
    picture = a_picture()

    with OtherConnection() as writer, OtherConnection() as cleaner:
        writer.begin()
        writer.call(partial(save, picture.markdown))
        cleaner.begin()
        deleted = cleaner.start_and_wait_until_blocked(partial(delete, picture))
        writer.commit()

        assert deleted.result(30) is False
        cleaner.commit()
    assert Picture.objects.exists()


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_whoever_saves_a_text_notices_that_its_picture_is_being_deleted() -> None:
    picture = a_picture()
    text = picture.markdown

    with OtherConnection() as writer, OtherConnection() as cleaner:
        cleaner.begin()
        assert cleaner.call(partial(delete, picture))
        writer.begin()
        saved = writer.start_and_wait_until_blocked(partial(save, text))
        cleaner.commit()

        with pytest.raises(IntegrityError):
            saved.result(30)
        writer.call(lambda: transaction.set_rollback(True))
        writer.commit()
    assert not Notification.objects.exists()
