"""What is refused or not there, as it is answered in production."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Broadcast
from tests.support.factories import a_broadcast, a_user

pytestmark = pytest.mark.django_db
#: What Django's own pages say.
STOCK = ("Not Found", "Forbidden", "CSRF verification failed", "quality time", "Server Error")


def words(answer: Any) -> str:
    text = answer.content.decode()
    assert not [phrase for phrase in STOCK if phrase in text]
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def has_menu(answer: Any) -> bool:
    return b'aria-label="Menu"' in answer.content


def test_what_is_not_there_is_said_with_the_menu_to_staff(admin: Browser) -> None:
    for address in ("/admin/nothing/", reverse("admin:notifier_broadcast_progress", args=[4711]), "/nowhere"):
        answer = admin.get(address)

        assert (answer.status_code, has_menu(answer)) == (404, True)
        assert "Page not found" in words(answer)
        assert "notifier/admin.css" in answer.content.decode()
        assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", ["/nowhere", "/uu/abc", "/favicon.ico"])
def test_to_strangers_it_is_said_in_the_public_look_and_reveals_nothing(client: Browser, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 404
    assert "This link doesn’t work" in words(answer)
    assert "notifier/public.css" in answer.content.decode()
    assert not re.search("admin|Overview|Notifier", answer.content.decode())


def test_a_page_that_is_not_allowed_is_refused_in_our_words_with_the_menu(staff: Callable[..., Browser]) -> None:
    browser = staff("notifier.view_topic")

    opened = browser.get(reverse("admin:notifier_client_changelist"))
    done = browser.post(reverse("admin:notifier_client_changelist"))

    assert (opened.status_code, done.status_code) == (403, 403)
    assert has_menu(opened)
    assert "You can’t open this page" in words(opened)
    assert "Nothing was changed. You don’t have permission" in words(done)
    assert b"Clients</a>" not in opened.content


@pytest.mark.parametrize("debug", [True, False])
def test_a_form_of_another_log_in_is_refused_in_our_words(settings: LazySettings, debug: bool) -> None:
    settings.DEBUG = debug
    browser, broadcast = Browser(enforce_csrf_checks=True), a_broadcast()
    browser.force_login(a_user(is_superuser=True))

    answer = browser.post(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "pause"]))

    assert (answer.status_code, has_menu(answer)) == (403, True)
    assert "Go back, reload the page and try again" in words(answer)
    assert Broadcast.objects.get().state == Broadcast.State.RUNNING


def test_a_log_in_that_is_posted_twice_is_refused_without_the_menu(client: Browser) -> None:
    answer = Browser(enforce_csrf_checks=True).post(reverse("admin:login"), {"username": "ann", "password": "secret"})

    assert (answer.status_code, has_menu(answer)) == (403, False)
    assert "Go back, reload the page and try again" in words(answer)


def test_a_live_page_gets_only_a_piece(admin: Browser, staff: Callable[..., Browser]) -> None:
    missing = admin.get("/admin/nothing/", headers={"HX-Request": "true"})
    refused = staff().get(reverse("admin:notifier_client_changelist"), headers={"HX-Request": "true"})

    assert (missing.status_code, refused.status_code) == (404, 403)
    for answer in (missing, refused):
        assert "<html" not in answer.content.decode()
        assert 'role="alert"' in answer.content.decode()


def test_who_opens_the_address_of_a_button_is_told_so(admin: Browser) -> None:
    # As the log-in does that follows a press after the session has ended.
    answer = admin.get(reverse("admin:notifier_broadcast_act", args=[a_broadcast().pk, "pause"]))

    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "This web address belongs to a button" in words(answer)
    assert has_menu(answer)


def test_whoever_logs_out_is_told_so_in_our_words(admin: Browser) -> None:
    answer = admin.post(reverse("admin:logout"))

    assert answer.status_code == 200
    assert "You are logged out" in words(answer)
    assert f'href="{reverse("admin:login")}"' in answer.content.decode()
    assert not has_menu(answer)
