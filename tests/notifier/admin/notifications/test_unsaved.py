"""Unsaved changes are kept while somebody types, offered to them again, and never take the place of a save."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.notifications.unsaved import UnsavedOffer
from notifier.models import Notification, UnsavedText
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_draft_pages import WRITE, a_draft, text_of
from tests.support.factories import a_kept_text, a_notification
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

ADD = "admin:notifier_notification_add"
KEEP = "admin:notifier_notification_keep"
DISCARD = "admin:notifier_notification_discard"


def change_url(notification: Notification) -> str:
    return reverse("admin:notifier_notification_change", args=[notification.pk])


def me() -> User:
    return User.objects.get(username="root")


def typed(browser: Browser, notification: Notification, **changes: Any) -> dict[str, Any]:
    """What the page posts once something was typed into it."""
    form = browser.get(change_url(notification)).context["adminform"].form
    texts = {name: form[name].value() for name in ("topic", "subject", "preheader", "email_body", "sms_body", "seen")}
    return {**texts, "notification": notification.pk, "keeps": "tab", **changes}


def offers(browser: Browser, notification: Notification) -> list[UnsavedOffer]:
    found: list[UnsavedOffer] = browser.get(change_url(notification)).context["unsaved"].offers
    return found


def test_two_tabs_take_nothing_from_each_other(admin: Browser) -> None:
    notification = a_notification(subject="Homes")
    names = [admin.get(change_url(notification)).context["unsaved"].form for _ in range(2)]
    assert names[0] != names[1]
    for name, subject in zip(names, ("Houses", "Flats"), strict=True):
        admin.post(reverse(KEEP), typed(admin, notification, subject=subject, keeps=name))

    admin.post(change_url(notification), typed(admin, notification, subject="Houses", keeps=names[0]))

    notification.refresh_from_db()
    assert notification.subject == "Houses"
    assert UnsavedText.objects.get().subject == "Flats"
    assert "You have unsaved changes from" in text_of(admin.get(change_url(notification)))


def test_each_of_several_can_be_restored_and_discarded(admin: Browser) -> None:
    notification = a_notification(subject="Homes")
    for name in ("Houses", "Flats"):
        admin.post(reverse(KEEP), typed(admin, notification, subject=name, keeps=name))
    page, (newer, older) = text_of(admin.get(change_url(notification))), offers(admin, notification)
    assert "(subject: “Flats”)" in page
    assert "(subject: “Houses”)" in page

    restored = admin.get(change_url(notification), {"unsaved": "restore", "of": older.kept.form})
    assert restored.context["adminform"].form["subject"].value() == "Houses"
    admin.post(reverse(DISCARD), {"notification": notification.pk, "restored": newer.marker})

    assert UnsavedText.objects.get().subject == "Houses"


def test_what_a_tab_goes_on_with_outlives_the_save_of_another_that_has_restored_it(admin: Browser) -> None:
    notification = a_notification(subject="Homes")
    admin.post(reverse(KEEP), typed(admin, notification, subject="Houses", keeps="first"))
    other = admin.get(change_url(notification), {"unsaved": "restore"}).context["unsaved"]
    admin.post(reverse(KEEP), typed(admin, notification, subject="Houses and flats", keeps="first"))

    saved = typed(admin, notification, subject="Houses", keeps=other.form, restored=other.marker)
    admin.post(change_url(notification), saved)

    assert UnsavedText.objects.get().subject == "Houses and flats"


def test_what_was_restored_is_kept_once_as_soon_as_it_is_gone_on_with(admin: Browser) -> None:
    notification = a_notification(subject="Homes")
    admin.post(reverse(KEEP), typed(admin, notification, subject="Houses", keeps="first"))
    other = admin.get(change_url(notification), {"unsaved": "restore"}).context["unsaved"]

    onward = typed(admin, notification, subject="Houses!", keeps=other.form, restored=other.marker)
    admin.post(reverse(KEEP), onward)

    assert UnsavedText.objects.get().subject == "Houses!"


@pytest.mark.parametrize(
    "marker", ["", "x", "/", "tab/", "tab/2026", "tab/2026-01-01", "a b/2026-01-01T00:00:00+00:00"]
)
@pytest.mark.parametrize("name", ["", "x" * 33, "a b", "ä", "\0"])
def test_odd_names_and_markers_take_nothing_from_anybody(admin: Browser, name: str, marker: str) -> None:
    notification = a_notification(subject="Homes")
    admin.post(reverse(KEEP), typed(admin, notification, subject="Houses"))

    admin.post(reverse(DISCARD), {"notification": notification.pk, "keeps": name, "restored": marker})
    answer = admin.post(reverse(KEEP), typed(admin, notification, subject="Flats", keeps=name, restored=marker))

    assert answer.status_code == 200
    assert UnsavedText.objects.filter(subject="Houses").exists()


def test_what_is_typed_is_kept_and_nothing_of_the_notification_changes(admin: Browser) -> None:
    notification = a_notification(subject="Homes")

    said = text_of(admin.post(reverse(KEEP), typed(admin, notification, subject="Houses")))

    assert "Autosaved" in said
    assert UnsavedText.objects.get().subject == "Houses"
    notification.refresh_from_db()
    assert notification.subject == "Homes"
    assert notification.history.count() == 1


def test_it_is_offered_again_and_restored_as_it_was_typed(admin: Browser) -> None:
    notification = a_notification(subject="Homes", sms_body="Hello")
    admin.post(reverse(KEEP), typed(admin, notification, subject="Houses", sms_body="Hello  {{ name"))

    offered = admin.get(change_url(notification))
    restored = admin.get(change_url(notification), {"unsaved": "restore"})

    assert "You have unsaved changes from" in text_of(offered)
    # By its form: something newer may be kept by the time that it is pressed.
    assert 'href="?unsaved=restore&amp;of=tab"' in offered.content.decode()
    assert offered.context["adminform"].form["subject"].value() == "Homes"
    # What is typed beside it is kept as well, in a place of its own.
    assert 'id="kept"' in text_of(offered)
    form = restored.context["adminform"].form
    assert (form["subject"].value(), form["sms_body"].value()) == ("Houses", "Hello  {{ name")
    assert "These are your unsaved changes from" in text_of(restored)
    assert "SMS: A placeholder is incomplete" in text_of(restored)
    assert 'id="kept"' in text_of(restored)


def test_of_a_new_one_it_is_offered_on_the_page_that_adds_one(admin: Browser) -> None:
    draft = a_draft(subject="Houses")
    admin.post(reverse(KEEP), draft)

    offered, restored = admin.get(reverse(ADD)), admin.get(reverse(ADD), {"unsaved": "restore"})

    assert "You have unsaved changes from" in text_of(offered)
    form = restored.context["adminform"].form
    assert (form["subject"].value(), str(form["topic"].value())) == ("Houses", str(draft["topic"]))
    assert "Copy an earlier notification" not in text_of(restored)


def test_a_save_and_a_press_end_it(admin: Browser) -> None:
    notification = a_notification()
    for number in range(2):
        admin.post(reverse(KEEP), typed(admin, notification, subject=f"Houses {number}"))
        assert UnsavedText.objects.count() == 1
        if number:
            offered = {"notification": notification.pk, "restored": offers(admin, notification)[0].marker}
            said = text_of(admin.post(reverse(DISCARD), offered, follow=True))
            assert "Your unsaved changes have been discarded." in said
        else:
            agree_to(admin, f"{change_url(notification)}?unsaved=restore")
        assert not UnsavedText.objects.exists()
    admin.post(reverse(KEEP), a_draft())
    agree_to(admin, f"{reverse(ADD)}?unsaved=restore", **a_draft())

    assert not UnsavedText.objects.exists()
    assert Notification.objects.count() == 2
    assert "You have unsaved changes" not in text_of(admin.get(reverse(ADD)))


def test_what_was_only_offered_outlives_the_save_of_something_else(admin: Browser) -> None:
    """They wrote something short first, or corrected a letter: what they had typed before is still theirs."""
    notification = a_notification(subject="Homes")
    for page, kept in ((reverse(ADD), a_draft(subject="Houses")), (change_url(notification), None)):
        admin.post(reverse(KEEP), kept or typed(admin, notification, subject="Houses"))

        refused = text_of(agree_to(admin, page, **a_draft(subject="")))
        agree_to(admin, page, **a_draft(subject="Flats"))

        assert "You have unsaved changes from" in refused
        assert "You have unsaved changes from" in text_of(admin.get(page))
        assert UnsavedText.objects.get().subject == "Houses"
        UnsavedText.objects.all().delete()
    assert Notification.objects.filter(subject="Flats").count() == 2


def test_nor_does_an_earlier_version_that_is_brought_back_end_it(admin: Browser) -> None:
    notification = a_notification(subject="Homes")
    notification.subject = "Flats"
    notification.save()
    admin.post(reverse(KEEP), typed(admin, notification, subject="Houses"))
    version = notification.history.earliest("pk")

    agree_to(admin, reverse("admin:notifier_notification_simple_history", args=[notification.pk, version.pk]))

    notification.refresh_from_db()
    assert notification.subject == "Homes"
    assert UnsavedText.objects.get().subject == "Houses"


def test_what_says_the_same_as_the_saved_text_is_not_kept(admin: Browser) -> None:
    notification = a_notification(subject="Homes", email_body="a\nb")
    admin.post(reverse(KEEP), typed(admin, notification, subject="Houses"))

    said = text_of(admin.post(reverse(KEEP), typed(admin, notification, email_body="a\r\nb\r\n")))

    assert said == ""
    assert not UnsavedText.objects.exists()
    admin.post(reverse(KEEP), a_draft(subject="", email_body=" ", sms_body=""))
    assert not UnsavedText.objects.exists()


def test_what_others_have_saved_meanwhile_is_not_overwritten_by_it(admin: Browser) -> None:
    notification = a_notification(subject="Homes", email_body="Dear you", sms_body="Hello")
    admin.post(reverse(KEEP), typed(admin, notification, subject="Houses"))
    notification.subject, notification.sms_body = "Flats", "Good day"
    notification.save()

    restored = admin.get(change_url(notification), {"unsaved": "restore"})
    form = restored.context["adminform"].form
    posted = {name: form[name].value() for name in ("topic", "subject", "preheader", "email_body", "sms_body", "seen")}
    refused = text_of(admin.post(change_url(notification), posted))

    assert "Someone has saved other changes since then." in text_of(restored)
    assert "Nothing was saved. This has changed since you opened the page" in refused
    assert "Someone else has changed this to “Flats”" in refused
    notification.refresh_from_db()
    assert (notification.subject, notification.sms_body) == ("Flats", "Good day")


def test_everybody_has_their_own_alone(admin: Browser, staff: LogIn) -> None:
    notification = a_notification()
    admin.post(reverse(KEEP), typed(admin, notification, subject="Secret"))
    other = staff(*WRITE)

    assert "Secret" not in text_of(other.get(change_url(notification), {"unsaved": "restore"}))
    other.post(reverse(DISCARD), {"notification": notification.pk})
    assert UnsavedText.objects.get().user == me()


def test_who_may_only_read_gets_nothing_put_into_the_form(staff: LogIn) -> None:
    notification = a_notification(subject="Homes")
    browser = staff("notifier.view_notification")
    a_kept_text(user=User.objects.latest("pk"), notification_id=notification.pk, subject="Houses")

    page = text_of(browser.get(change_url(notification), {"unsaved": "restore"}))

    assert "Houses" not in page
    assert "unsaved changes" not in page


@pytest.mark.parametrize("name", [KEEP, DISCARD])
def test_keeping_and_discarding_need_the_right_to_write_and_a_press(staff: LogIn, name: str) -> None:
    url, of_one = reverse(name), {**a_draft(), "notification": a_notification().pk}

    assert staff("notifier.add_notification").post(url, of_one).status_code == 403
    browser = staff("notifier.change_notification")
    assert browser.post(url, a_draft()).status_code == 403
    assert browser.get(url).status_code == 405
    for odd in ("99999999", "x", "9" * 30):
        assert browser.post(url, of_one | {"notification": odd}).status_code == 404
    assert not UnsavedText.objects.exists()


@pytest.mark.both_engines
def test_a_nul_is_kept_out_of_every_part_of_it(admin: Browser) -> None:
    """PostgreSQL stores none."""
    for name in ("topic", "subject", "preheader", "email_body", "sms_body", "seen"):
        assert admin.post(reverse(KEEP), a_draft(subject="Houses") | {name: "1\0"}).status_code == 200

        assert getattr(UnsavedText.objects.get(), name) == "1"
        UnsavedText.objects.all().delete()


def test_what_is_too_long_is_not_kept_and_the_page_says_so(admin: Browser) -> None:
    said = text_of(admin.post(reverse(KEEP), a_draft(email_body="x" * 110_000)))

    assert "This text is too long to be kept." in said
    assert not UnsavedText.objects.exists()
