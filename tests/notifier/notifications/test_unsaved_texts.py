"""What somebody has typed and not saved is kept for them alone, within bounds."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.utils import timezone

from notifier.models import UnsavedText
from notifier.notifications import unsaved_texts
from notifier.notifications.unsaved_texts import Place, Restored
from tests.support.factories import a_kept_text, a_notification, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

NOW = timezone.now()


def keep(user: User, notification_id: int | None = None, **changes: Any) -> None:
    texts = {"subject": "Homes", "preheader": "", "email_body": "", "sms_body": "", **changes.pop("texts", {})}
    values: dict[str, Any] = {"topic": "", "seen": "", "now": NOW, **changes}
    place = Place(user, notification_id, values.pop("form", "tab"))
    unsaved_texts.keep(place=place, texts=texts, **values)


def all_found(user: User, notification_id: int | None = None, *, now: Any = NOW) -> list[str]:
    return [kept.subject for kept in unsaved_texts.find(user=user, notification_id=notification_id, now=now)]


def found(user: User, notification_id: int | None = None, *, now: Any = NOW) -> str:
    return ", ".join(all_found(user, notification_id, now=now))


@pytest.mark.parametrize("is_new", [True, False])
def test_each_form_keeps_its_own_and_a_save_of_one_takes_nothing_from_another(is_new: bool) -> None:
    ann, pk = a_user(), None if is_new else a_notification().pk
    for number, form in enumerate(("first", "second", "first")):
        keep(ann, pk, form=form, texts={"subject": f"{form} {number}"}, now=NOW + timedelta(seconds=number))
    assert all_found(ann, pk) == ["first 2", "second 1"]

    unsaved_texts.drop(place=Place(ann, pk, "first"))

    assert all_found(ann, pk) == ["second 1"]


def test_what_was_restored_into_another_form_is_gone_unless_its_own_form_goes_on() -> None:
    ann, pk = a_user(), a_notification().pk
    keep(ann, pk, form="old")
    restored = Restored("old", NOW)

    keep(ann, pk, form="old", texts={"subject": "Typed since"}, now=NOW + timedelta(seconds=1))
    unsaved_texts.take_over(place=Place(ann, pk, "new"), restored=restored)
    assert found(ann, pk) == "Typed since"

    unsaved_texts.take_over(place=Place(ann, pk, "new"), restored=Restored("old", NOW + timedelta(seconds=1)))
    assert found(ann, pk) == ""


def test_the_forms_of_one_notification_are_bounded_too() -> None:
    ann, pk = a_user(), a_notification().pk

    for number in range(unsaved_texts.MAX_KEPT + 2):
        keep(ann, pk, form=f"tab-{number}", now=NOW + timedelta(seconds=number))

    assert UnsavedText.objects.count() == unsaved_texts.MAX_KEPT
    assert not UnsavedText.objects.filter(form__in=("tab-0", "tab-1")).exists()


def test_the_newest_takes_the_place_of_the_one_before_for_each_user_and_notification() -> None:
    ann, bob, pk = a_user(), a_user(), a_notification().pk

    for subject in ("First", "Second"):
        keep(ann, pk, texts={"subject": subject})
        keep(ann, texts={"subject": f"{subject} new"})
    keep(bob, pk, texts={"subject": "Bob’s"})

    assert (found(ann, pk), found(ann), found(bob, pk), found(bob)) == ("Second", "Second new", "Bob’s", "")
    assert UnsavedText.objects.count() == 3


def test_what_was_saved_or_discarded_is_gone_and_nothing_else() -> None:
    ann, bob, pk = a_user(), a_user(), a_notification().pk
    for user, one in ((ann, pk), (ann, None), (bob, pk)):
        keep(user, one)

    unsaved_texts.drop(place=Place(ann, pk, "tab"))

    assert (found(ann, pk), found(ann), found(bob, pk)) == ("", "Homes", "Homes")


def test_what_a_leaver_kept_goes_with_its_age_too() -> None:
    leaver, ann = a_user(), a_user()
    keep(leaver, now=NOW - unsaved_texts.KEPT_FOR)

    keep(ann)

    assert UnsavedText.objects.get().user == ann


def test_only_the_newest_of_a_user_are_kept_and_none_for_long() -> None:
    ann, bob = a_user(), a_user()
    ids = [a_notification().pk for _ in range(unsaved_texts.MAX_KEPT + 2)]
    keep(bob, ids[0])
    a_kept_text(user=ann, notification_id=ids[-1], kept_at=NOW - unsaved_texts.KEPT_FOR)

    for number, pk in enumerate(ids[:-1]):
        keep(ann, pk, now=NOW + timedelta(seconds=number))

    assert UnsavedText.objects.filter(user=ann).count() == unsaved_texts.MAX_KEPT
    assert (found(ann, ids[0]), found(ann, ids[1]), found(bob, ids[0])) == ("", "Homes", "Homes")
    assert found(bob, ids[0], now=NOW + unsaved_texts.KEPT_FOR) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"texts": {"email_body": "x" * unsaved_texts.MAX_LETTERS}},
        {"seen": "x" * (unsaved_texts.MAX_SEEN + 1)},
        {"topic": "1" * (unsaved_texts.MAX_TOPIC + 1)},
    ],
    ids=["text", "seen", "topic"],
)
def test_what_is_too_long_is_not_kept_and_what_was_kept_stays(changes: dict[str, Any]) -> None:
    ann = a_user()
    keep(ann)

    with pytest.raises(unsaved_texts.TooLong):
        keep(ann, **changes)

    assert found(ann) == "Homes"


def test_a_nul_which_postgresql_stores_nowhere_is_left_out() -> None:
    ann = a_user()

    keep(ann, texts={"subject": "Ho\0mes"})

    assert found(ann) == "Homes"


def test_of_two_requests_at_the_same_moment_the_later_one_stays() -> None:
    ann = a_user()
    a_kept_text(user=ann, form="tab", subject="Of the other request")

    with patch.object(UnsavedText.objects, "update_or_create", side_effect=IntegrityError):
        keep(ann)

    assert found(ann) == "Homes"


@pytest.mark.parametrize("is_new", [True, False])
def test_the_database_holds_one_of_each_form(is_new: bool) -> None:
    ann, pk = a_user(), None if is_new else a_notification().pk
    a_kept_text(user=ann, notification_id=pk)

    with pytest.raises(IntegrityError):
        a_kept_text(user=ann, notification_id=pk)


def test_it_goes_with_its_user_and_does_not_stand_in_the_way_of_deleting_a_notification() -> None:
    ann, notification = a_user(), a_notification()
    keep(ann, notification.pk)

    notification.delete()
    assert UnsavedText.objects.count() == 1
    ann.delete()

    assert not UnsavedText.objects.exists()
