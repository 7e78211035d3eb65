"""What a new notification begins from: an empty form, a template, or an earlier one."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.messages.text_templates import TEMPLATES
from notifier.models import Notification
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_draft_pages import WRITE, save, text_of
from tests.support.factories import a_notification, a_topic

pytestmark = pytest.mark.both_engines(only_full=True)

ADD = "admin:notifier_notification_add"


def begins_with(page: Any) -> dict[str, Any]:
    form = page.context["adminform"].form
    return {name: form[name].value() for name in ("topic", "subject", "preheader", "email_body", "sms_body")}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_stands_in_the_form_and_nothing_is_saved_yet(admin: Browser, name: str) -> None:
    page = admin.get(reverse(ADD), {"template": name})

    assert begins_with(page) == {"topic": None, **TEMPLATES[name].texts}
    assert "Still to be filled in" in text_of(page)
    assert f"This is the template “{TEMPLATES[name].name}”." in text_of(page)
    assert not Notification.objects.exists()


def test_an_earlier_one_is_copied_with_its_topic_and_stays_as_it_was(admin: Browser) -> None:
    earlier = a_notification(topic=a_topic(slug="offerings"), subject="Homes", preheader="Near", sms_body="Hi")

    page = admin.get(reverse(ADD), {"copy": earlier.pk})

    assert begins_with(page) == {
        "topic": earlier.topic_id,
        "subject": "Homes",
        "preheader": "Near",
        "email_body": earlier.email_body,
        "sms_body": "Hi",
    }
    assert "This is a copy of “Homes”." in text_of(page)
    assert Notification.objects.count() == 1


def test_no_subject_is_offered_raw(admin: Browser) -> None:
    a_notification(subject="Homes for you, {{ first_name }}")

    page = text_of(admin.get(reverse(ADD)))

    assert "Homes for you, [first name]" in page
    assert "Homes for you, {{" not in page


def test_all_choices_are_offered_the_newest_of_the_earlier_ones_first(admin: Browser) -> None:
    first, second = a_notification(subject="First"), a_notification(subject="Second")

    page = text_of(admin.get(reverse(ADD)))

    for name, template in TEMPLATES.items():
        assert f'href="{reverse(ADD)}?template={name}"' in page
        assert template.purpose in page
    assert page.index(f'<option value="{second.pk}"') < page.index(f'<option value="{first.pk}"')


@pytest.mark.parametrize("query", [{"template": "nonsense"}, {"copy": "x"}, {"copy": "99999999"}, {"copy": "9" * 30}])
def test_what_is_not_there_begins_with_an_empty_form(admin: Browser, query: dict[str, str]) -> None:
    page = admin.get(reverse(ADD), query)

    assert page.status_code == 200
    assert not any(begins_with(page).values())
    assert "Start from" in text_of(page)


def test_who_may_not_see_notifications_copies_none(staff: LogIn) -> None:
    earlier = a_notification(subject="Secret homes")
    browser = staff("notifier.add_notification")

    page = browser.get(reverse(ADD), {"copy": earlier.pk})

    assert "Secret homes" not in text_of(page)
    assert not any(begins_with(page).values())


def test_a_refused_form_and_one_that_is_there_offer_no_beginnings(admin: Browser, staff: LogIn) -> None:
    refused = save(admin, subject="")
    written = staff(*WRITE).get(reverse("admin:notifier_notification_change", args=[a_notification().pk]))

    assert "Copy an earlier notification" not in text_of(refused)
    assert "Copy an earlier notification" not in text_of(written)
