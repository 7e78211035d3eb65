"""The pictures that the form of a notification offers."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.notifications import pictures
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_draft_pages import text_of
from tests.support.factories import a_picture

pytestmark = pytest.mark.both_engines(only_full=True)

PICTURES = "admin:notifier_notification_pictures"


def test_the_newest_come_first_each_with_what_shows_it_in_a_text(admin: Browser) -> None:
    old, new = a_picture(alt="The old mill"), a_picture(alt="The <new> homes")

    page = text_of(admin.get(reverse(PICTURES)))

    assert page.index("The &lt;new&gt; homes") < page.index("The old mill")
    assert f'data-markdown="{old.markdown}"' in page
    assert f'src="{reverse("picture", args=[f"small-{new.name}"])}"' in page


def test_they_are_found_by_their_description(admin: Browser) -> None:
    a_picture(alt="The old mill")

    assert "The old mill" in text_of(admin.get(reverse(PICTURES), {"term": " MILL "}))
    assert "No picture has “homes” in its description." in text_of(admin.get(reverse(PICTURES), {"term": "homes"}))


def test_no_more_than_a_few_rows_are_shown_and_the_page_says_so(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There are no pictures yet." in text_of(admin.get(reverse(PICTURES)))
    monkeypatch.setattr(pictures, "SHOWN", 2)
    for _ in range(2):
        a_picture()
    assert "Search to find others" not in text_of(admin.get(reverse(PICTURES)))

    a_picture(alt="One more")

    assert "These are the newest 2. Search to find others." in text_of(admin.get(reverse(PICTURES)))


def test_they_are_for_those_who_write_and_may_see_pictures(staff: LogIn) -> None:
    url = reverse(PICTURES)

    assert staff("notifier.add_notification").get(url).status_code == 403
    assert staff("notifier.view_picture").get(url).status_code == 403
    assert staff("notifier.add_notification", "notifier.view_picture").get(url).status_code == 200
