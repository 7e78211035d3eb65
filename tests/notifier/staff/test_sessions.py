"""Log-ins: their keys, their end, and where they lead."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.staff import sessions
from tests.support.factories import a_broadcast, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

HTMX = {"HX-Request": "true"}


@pytest.fixture
def root() -> User:
    return a_user(username="root", is_superuser=True)


@pytest.fixture
def browser(root: User) -> Browser:
    browser = Browser()
    browser.force_login(root)
    return browser


def expiry() -> datetime:
    return Session.objects.get().expire_date


def hours_pass(user: User, hours: int) -> None:
    """As if the log-in were older."""
    User.objects.filter(pk=user.pk).update(last_login=timezone.now() - timedelta(hours=hours))
    session = Session.objects.get()
    Session.objects.update(expire_date=session.expire_date - timedelta(hours=hours))


def test_a_log_in_gets_a_new_key() -> None:
    a_user(username="ann", password="secret")
    browser = Browser()
    browser.get(reverse("admin:login"))
    planted = browser.session
    planted["planted"] = "by somebody else"
    planted.save()
    browser.cookies["sessionid"] = str(planted.session_key)

    browser.post(reverse("admin:login"), {"username": "ann", "password": "secret"})

    assert browser.cookies["sessionid"].value != planted.session_key
    assert not Session.objects.filter(pk=planted.session_key).exists()


def test_a_page_keeps_the_session_of_who_is_at_work(browser: Browser, root: User) -> None:
    hours_pass(root, 11)

    browser.get(reverse("admin:index"))

    assert expiry() > timezone.now() + timedelta(hours=11)


def test_polls_of_a_live_page_do_not_keep_it(browser: Browser, root: User) -> None:
    page = reverse("admin:notifier_broadcast_progress", args=[a_broadcast().pk])
    hours_pass(root, 11)
    before = expiry()

    answer = browser.get(page, headers=HTMX)

    assert answer.status_code == 200
    assert expiry() == before


def test_a_session_that_nobody_used_has_ended(browser: Browser, root: User) -> None:
    hours_pass(root, 13)

    answer = browser.get(reverse("admin:index"))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


def test_a_page_right_after_another_writes_no_session(
    browser: Browser, root: User, django_assert_num_queries: Any
) -> None:
    hours_pass(root, 1)
    browser.get(reverse("admin:password_change"))
    noted = Session.objects.get().session_data

    browser.get(reverse("admin:password_change"))

    assert Session.objects.get().session_data == noted
    assert sessions.SEEN_AT_KEY in browser.session


def test_the_cookie_ends_with_the_browser_and_is_not_for_scripts() -> None:
    a_user(username="ann", password="secret")
    browser = Browser()

    cookie = browser.post(reverse("admin:login"), {"username": "ann", "password": "secret"}).cookies["sessionid"]

    assert (cookie["max-age"], cookie["expires"], cookie["httponly"], cookie["samesite"]) == ("", "", True, "Lax")


def test_a_new_password_ends_the_log_ins_elsewhere(root: User) -> None:
    here, elsewhere = Browser(), Browser()
    here.force_login(root)
    elsewhere.force_login(root)

    form = {"old_password": "secret", "new_password1": "Zq8w-Yt5Rn", "new_password2": "Zq8w-Yt5Rn"}
    changed = here.post(reverse("admin:password_change"), form)

    assert changed.status_code == 302
    assert here.get(reverse("admin:index")).status_code == 200
    assert elsewhere.get(reverse("admin:index")).status_code == 302


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_log_in_leads_to_no_other_host(target: str) -> None:
    a_user(username="ann", password="secret")
    form = {"username": "ann", "password": "secret", "next": target}

    answer = Browser().post(f"{reverse('admin:login')}?next={target}", form)

    assert answer.status_code == 302
    assert answer["Location"] == reverse("admin:index")


def test_a_log_in_leads_back_to_the_page_that_asked_for_it() -> None:
    a_user(username="ann", password="secret")
    page = reverse("admin:account")

    answer = Browser().post(reverse("admin:login"), {"username": "ann", "password": "secret", "next": page})

    assert answer["Location"] == page
