"""A copy of a notification, and what it was before."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Notification
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_draft_pages import a_draft, text_of
from tests.support.factories import a_notification
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)


def duplicate_url(pk: int) -> str:
    return reverse("admin:notifier_notification_duplicate", args=[pk])


def test_a_copy_is_made_and_opened(admin: Browser) -> None:
    original = a_notification(subject="Homes")

    response = admin.post(duplicate_url(original.pk), follow=True)

    copy = Notification.objects.exclude(pk=original.pk).get()
    assert response.redirect_chain[-1][0] == reverse("admin:notifier_notification_change", args=[copy.pk])
    assert copy.subject == "Homes"
    assert "This is the copy" in text_of(response)
    assert copy.history.get().history_user.get_username() == "root"


def test_a_copy_needs_the_right_to_add_and_a_press(staff: LogIn) -> None:
    original = a_notification()

    assert staff("notifier.view_notification").post(duplicate_url(original.pk)).status_code == 403
    assert staff("notifier.add_notification").post(duplicate_url(original.pk)).status_code == 403
    browser = staff("notifier.view_notification", "notifier.add_notification")
    assert browser.get(duplicate_url(original.pk)).status_code == 405
    assert browser.post(duplicate_url(99_999_999)).status_code == 404
    assert Notification.objects.count() == 1


def test_the_history_tells_who_changed_what(admin: Browser) -> None:
    notification = a_notification(subject="Homes")
    change = reverse("admin:notifier_notification_change", args=[notification.pk])
    agree_to(admin, change, **a_draft(subject="Three <b>houses"))

    page = text_of(admin.get(reverse("admin:notifier_notification_history", args=[notification.pk])))

    assert "<del>Homes</del> <ins>Three &lt;b&gt;houses</ins>" in page
    assert "root" in page
    assert " style=" not in page


def test_an_earlier_version_can_be_saved_again(admin: Browser) -> None:
    notification = a_notification(subject="Homes")
    first = notification.history.get()
    notification.subject = "Houses"
    notification.save()
    url = reverse("admin:notifier_notification_simple_history", args=[notification.pk, first.pk])

    page = admin.get(url)
    response = agree_to(admin, url, **a_draft(subject="Homes"))

    assert page.status_code == 200
    assert response.status_code == 302
    notification.refresh_from_db()
    assert notification.subject == "Homes"


@pytest.mark.parametrize(("permission", "subject"), [("view", "Houses"), ("change", "Homes")])
def test_an_earlier_version_is_saved_by_those_only_who_may_change(staff: LogIn, permission: str, subject: str) -> None:
    notification = a_notification(subject="Homes")
    first = notification.history.get()
    notification.subject = "Houses"
    notification.save()
    url = reverse("admin:notifier_notification_simple_history", args=[notification.pk, first.pk])

    agree_to(staff(f"notifier.{permission}_notification"), url, **a_draft(subject="Homes"))

    notification.refresh_from_db()
    assert notification.subject == subject
