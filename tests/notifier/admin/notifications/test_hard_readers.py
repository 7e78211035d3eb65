import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.notifications import hard_readers
from notifier.admin.notifications.drafts import Draft
from notifier.models import ClientValues
from tests.support.factories import a_client, a_field, a_notification, a_topic, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Browser) -> Browser:
    client.force_login(a_user(username="root", is_superuser=True))
    return client


def test_the_draft_is_shown_as_each_of_them_reads_it(root: Browser) -> None:
    field = a_field(kind="WHOLE", key="bedrooms")
    few, many, none = (a_client(first_name=name, listings="both") for name in ("Few", "Many", "None"))
    for client, number in ((few, 1), (many, 12_345)):
        ClientValues.objects.create(client=client, **{field.column: number})
    text = {"topic": a_topic().pk, "subject": "Homes", "email_body": "x", "sms_body": "With {{ bedrooms }} bedrooms"}
    url = reverse("admin:notifier_notification_hard_readers")

    page = root.post(url, text).content.decode()
    part = root.post(url, text, headers={"HX-Request": "true"}).content.decode()

    assert "With 12,345 bedrooms" in page
    assert "With 1 bedrooms" in page
    assert "None has no bedrooms, and would be skipped." in page
    assert f'data-reader="{many.email}"' in part
    assert part.index(str(many.email)) < part.index(str(few.email)) < part.index(str(none.email))
    assert "would be skipped" in part
    assert "Nobody who would get it reads or is called so." in part
    assert "<html" not in part


def test_without_a_topic_there_is_nobody() -> None:
    a_client(listings="both")

    found = hard_readers.of(Draft(None, "Hi", "", "Hi {{ first_name }}", ""))

    assert [one.reader for one in found] == [None] * 4


def test_the_menu_offers_each_field_that_was_not_retired(root: Browser) -> None:
    a_field(kind="MONEY", key="budget", label="Budget")
    page = root.get(reverse("admin:notifier_notification_change", args=[a_notification().pk])).content.decode()

    assert 'data-placeholder="{{ budget }}"' in page
    assert "Budget, with its currency" in page


def test_who_writes_may_use_fields_in_every_language(root: Browser) -> None:
    a_field(key="town")
    text = {
        "topic": a_topic().pk,
        "subject": "In {{ town }}",
        "preheader": "",
        "email_body": "{{ town | “here” }}",
        "sms_body": "",
        "de_subject": "In {{ town }}",
        "de_email_body": "In {{ stadt }}",
    }
    page = root.post(reverse("admin:notifier_notification_add"), text).content.decode()

    assert "There is no placeholder {{ stadt }}." in page
    assert "There is no placeholder {{ town }}." not in page


def test_they_are_those_of_the_language_that_the_preview_is_in(root: Browser) -> None:
    english, german = (a_client(first_name="Reader", listings="email", language=code) for code in (None, "de"))
    text = {"topic": a_topic().pk, "subject": "Hi", "email_body": "Hi {{ first_name }}"}
    written = text | {"de_subject": "Hallo", "de_email_body": "Hallo {{ first_name }}"}

    def shown(fields: dict[str, object], language: str) -> tuple[bool, bool, bool]:
        url = reverse("admin:notifier_notification_hard_readers")
        part = root.post(url, {**fields, "shown_language": language}, headers={"HX-Request": "true"}).content.decode()
        return str(english.email) in part, str(german.email) in part, "Of those who are written to in German." in part

    assert shown(written, "en") == (True, False, False)
    assert shown(written, "de") == (False, True, True)
    # In one language alone, everybody reads it.
    assert shown(text, "de") == (True, False, False)
