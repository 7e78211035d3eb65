"""The form of a notification: what it saves and what it refuses."""

import pytest
from django.test import Client as Browser

from notifier.models import Notification
from tests.notifier.admin.notifications.test_draft_pages import save

pytestmark = pytest.mark.both_engines(only_full=True)


def test_a_notification_is_saved_with_plain_line_ends(admin: Browser) -> None:
    response = save(admin, email_body="Dear you,\r\n\r\nhave a look.\r\n", sms_body=" one\r\ntwo ")

    assert response.status_code == 302
    notification = Notification.objects.get()
    assert (notification.email_body, notification.sms_body) == ("Dear you,\n\nhave a look.", "one\ntwo")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subject": "   "}, "This field is required."),
        ({"subject": "Homes\x00"}, "Enter one line"),
        ({"subject": "Homes\nBcc: eve@example.com"}, "Enter one line"),
        ({"subject": "{{ nmae }}"}, "There is no placeholder {{ nmae }}."),
        ({"email_body": "Dear {{ name"}, "A placeholder is incomplete"),
        ({"sms_body": "{{ Name }}"}, "There is no placeholder {{ Name }}."),
        ({"email_body": " \n ", "sms_body": "\t"}, "Write an e-mail text, an SMS text, or both."),
        ({"email_body": "#"}, "Nothing in this text would be visible."),
        ({"email_body": "[a](https://e.example/{{name}})"}, "A link can’t have a placeholder in its address"),
        ({"email_body": "[a](javascript:alert)"}, "This link doesn’t work in an e-mail: javascript:alert."),
    ],
)
def test_what_can_not_be_sent_is_not_saved_and_said_at_its_field(
    admin: Browser, changes: dict[str, str], said: str
) -> None:
    response = save(admin, **changes)

    errors = response.context["adminform"].form.errors
    assert not Notification.objects.exists()
    first = next(iter(changes))
    assert list(errors) == [first]
    assert said in str(errors[first].as_data())
    assert len(errors[first]) == 1
