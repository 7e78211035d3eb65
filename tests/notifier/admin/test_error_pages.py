"""What is refused or not there, as it is answered in production."""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import LazySettings
from django.db import OperationalError
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Broadcast
from tests.support.factories import a_broadcast, a_user
from tests.support.servers.stack import PROJECT

pytestmark = pytest.mark.django_db
#: What Django's own pages say.
STOCK = ("Not Found", "Forbidden", "CSRF verification failed", "quality time", "Server Error")


def words(answer: Any) -> str:
    text = answer.content.decode()
    assert not [phrase for phrase in STOCK if phrase in text]
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def has_own_styles(answer: Any) -> bool:
    """Whether it has its styles in itself, the policy allows just these, and it loads nothing."""
    html = answer.content.decode()
    [styles] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    allowed = re.findall(r"style-src ([^;]+)", answer["Content-Security-Policy"])
    return allowed == [f"'self' 'sha256-{digest}'"] and not re.search("<link|<script|<img| src=|url[(]|@import", html)


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
    assert has_own_styles(answer)
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


# --- Without static files ---------------------------------------------------------------------------------------------
@pytest.fixture
def _not_collected(settings: LazySettings) -> None:
    """As where nobody has run collectstatic: every link to a style sheet fails."""
    backend = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}


@pytest.fixture
def patient(client: Browser) -> Browser:
    """One who gets the page for an error instead of the error."""
    client.raise_request_exception = False
    return client


@pytest.mark.usefixtures("_not_collected")
def test_the_page_for_a_fault_needs_nothing_but_itself(patient: Browser) -> None:
    patient.force_login(a_user(is_superuser=True))

    answer = patient.get(reverse("admin:index"))

    assert answer.status_code == 500
    assert "Something went wrong" in words(answer)
    assert has_own_styles(answer)


@pytest.mark.usefixtures("_not_collected")
def test_what_is_refused_or_not_there_keeps_its_answer_and_its_look(patient: Browser) -> None:
    patient.force_login(a_user())

    for url, status, title in (
        ("/admin/nothing/", 404, "Page not found"),
        (reverse("admin:notifier_client_changelist"), 403, "You can’t open this page"),
        (reverse("admin:try_again", args=["email"]), 403, "You can’t open this page"),
    ):
        answer = patient.get(url)
        assert (answer.status_code, has_own_styles(answer)) == (status, True)
        assert title in words(answer)


@pytest.mark.usefixtures("_not_collected")
def test_a_form_of_another_log_in_is_refused_without_static_files(patient: Browser) -> None:
    for user in (None, a_user(is_superuser=True)):
        browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
        if user:
            browser.force_login(user)

        answer = browser.post(reverse("admin:login"), {"username": "ann", "password": "secret"})

        assert (answer.status_code, has_own_styles(answer)) == (403, True)
        assert "Go back, reload the page and try again" in words(answer)


@pytest.mark.usefixtures("_not_collected")
@pytest.mark.parametrize("url", ["/nowhere", "/u/forged", "/p/forged"])
def test_a_client_reads_the_public_page_without_static_files(patient: Browser, url: str) -> None:
    answer = patient.get(url)

    assert (answer.status_code, has_own_styles(answer)) == (404, True)
    assert "This link doesn’t work" in words(answer)


@pytest.mark.usefixtures("_not_collected")
@pytest.mark.parametrize(
    ("url", "title"), [("/admin/", "Not available right now"), ("/u/x", "Sorry, there is a problem")]
)
def test_the_page_for_a_database_that_is_away_needs_nothing_but_itself(
    patient: Browser, monkeypatch: pytest.MonkeyPatch, url: str, title: str
) -> None:
    away = Mock(side_effect=OperationalError("connection refused"))
    monkeypatch.setattr("notifier.admin.site.NotifierAdminSite.has_permission", away)
    monkeypatch.setattr("notifier.public.rate_limits.is_guessing", away)

    answer = patient.get(url)

    assert (answer.status_code, has_own_styles(answer)) == (503, True)
    assert title in words(answer)


def test_the_look_of_such_a_page_is_that_of_the_others() -> None:
    """Its tokens are those of the back office, by day and by night."""
    own = (PROJECT / "templates" / "outage.css").read_text()
    sheet = (PROJECT / "notifier" / "static" / "notifier" / "admin.css").read_text()

    for theme in ("light", "dark"):
        wanted = sheet.split(f'html[data-theme="{theme}"]', 1)[1].split("}", 1)[0]
        there = own.split("@media", 1)[theme == "dark"]
        tokens = re.findall(r"(--[\w-]+: #\w+);", there)
        assert len(tokens) == 5
        assert [token for token in tokens if f"{token};" not in wanted] == []
