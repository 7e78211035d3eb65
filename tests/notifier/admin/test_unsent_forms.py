"""What was posted after the log-in had ended stays on the page of the answer, where a page of this site posted it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Broadcast, Topic
from tests.notifier.admin.test_error_pages import words
from tests.support.factories import a_broadcast, a_topic, a_user

pytestmark = pytest.mark.django_db

OURS = {"Sec-Fetch-Site": "same-origin"}
TYPED = {"name": '<b>Homes</b> & "more"', "slug": "homes", "csrfmiddlewaretoken": "x" * 64}


def form_of(topic: Topic) -> str:
    return reverse("admin:notifier_topic_change", args=[topic.pk])


def hidden(answer: Any) -> dict[str, str]:
    return dict(answer.context_data["fields"])


def post_out_of_date(browser: Browser, url: str, headers: dict[str, str] = OURS) -> Any:
    browser.handler.enforce_csrf_checks = True
    return browser.post(url, TYPED, headers=headers)


def test_a_form_posted_without_a_log_in_comes_back_whole_and_nothing_is_saved(client: Browser) -> None:
    topic = a_topic()

    answer = client.post(form_of(topic), TYPED, headers=OURS)

    assert answer.status_code == 403
    assert answer["Cache-Control"] == "no-store"
    assert "You are logged out. Nothing is lost" in words(answer)
    assert f'href="{reverse("admin:login")}"' in answer.content.decode()
    assert "&lt;b&gt;Homes&lt;/b&gt; &amp; &quot;more&quot;" in answer.content.decode()
    assert hidden(answer) == {"name": TYPED["name"], "slug": "homes"}
    topic.refresh_from_db()
    assert topic.name != TYPED["name"]


def test_with_the_token_of_an_earlier_log_in_it_is_sent_by_another_press_and_the_page_says_as_whom(
    client: Browser,
) -> None:
    topic = a_topic()
    client.force_login(a_user(username="ann", is_superuser=True))
    client.handler.enforce_csrf_checks = True

    answer = post_out_of_date(client, form_of(topic))

    assert answer.status_code == 403
    assert "press Save to send it as ann" in words(answer)
    assert hidden(answer)["name"] == TYPED["name"]
    topic.refresh_from_db()
    assert topic.name != TYPED["name"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Accept": "text/html"},
    ],
    ids=["another site", "a subdomain", "another origin", "a sandbox", "nothing told"],
)
def test_what_another_site_may_have_posted_gets_no_page_that_would_send_it(
    client: Browser, headers: dict[str, str]
) -> None:
    client.force_login(a_user(is_superuser=True))

    answer = post_out_of_date(client, form_of(a_topic()), headers)

    assert answer.status_code == 403
    assert "Homes" not in answer.content.decode()
    assert "Go back, reload the page and try again" in words(answer)


def test_a_browser_that_names_the_origin_alone_is_believed(client: Browser) -> None:
    answer = post_out_of_date(client, form_of(a_topic()), {"Origin": "http://testserver"})

    assert "You are logged out. Nothing is lost" in words(answer)


def test_a_press_that_acts_is_not_kept_for_later_and_a_reason_that_was_written_is(client: Browser) -> None:
    broadcast = a_broadcast()
    act = reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "pause"])
    approve = reverse("admin:notifier_broadcast_approve", args=[broadcast.pk])

    assert client.post(act, headers=OURS).status_code == 302
    assert client.post(approve, {"word": "approve"}, headers=OURS).status_code == 302
    rejected: Any = client.post(approve, {"word": "reject", "why": "Wrong price"}, headers=OURS)

    assert rejected.context_data["label"] == "Reject"
    assert hidden(rejected) == {"word": "reject", "why": "Wrong price"}
    assert Broadcast.objects.get().state == Broadcast.State.RUNNING


def test_no_password_stands_in_the_page(client: Browser) -> None:
    typed = {"username": "bob", "password1": "open sesame", "password2": "open sesame"}

    answer = client.post(reverse("admin:auth_user_add"), typed, headers=OURS)
    change = client.post(reverse("admin:password_change"), {"old_password": "open sesame"}, headers=OURS)

    assert hidden(answer) == {"username": "bob"}
    assert "Files and passwords aren’t kept" in words(answer)
    assert "open sesame" not in answer.content.decode()
    assert change.status_code == 302
    assert not User.objects.exists()


def test_who_is_logged_in_and_may_not_is_refused_as_ever(client: Browser) -> None:
    client.force_login(a_user())

    answer = client.post(form_of(a_topic()), TYPED, headers=OURS)

    assert answer.status_code == 403
    assert "Homes" not in answer.content.decode()


def test_a_live_piece_with_an_old_token_says_that_it_is_the_token(client: Browser) -> None:
    client.force_login(a_user(is_superuser=True))

    answer = post_out_of_date(client, form_of(a_topic()), OURS | {"HX-Request": "true"})

    assert (answer.status_code, answer["Form-Token"]) == (403, "outdated")
