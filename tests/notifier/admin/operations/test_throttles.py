"""The page on which staff set how fast a provider is given messages."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from notifier.models import Channel, Throttle
from notifier.policies import throttles
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import text_of
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

LIST = "admin:notifier_throttle_changelist"


@pytest.fixture
def throttle(db: None, settings: Settings) -> Throttle:
    settings.RATES = {"email": 50.0, "sms": None}
    throttles.register(channel=Channel.EMAIL, now=timezone.now())
    return Throttle.objects.get()


def page_of(throttle: Throttle) -> str:
    return reverse("admin:notifier_throttle_change", args=[throttle.pk])


@pytest.mark.parametrize(("written", "rate"), [("20/s", 20.0), (" 90 / m ", 1.5), ("3600/h", 1.0), ("", None)])
def test_a_rate_is_set_as_people_write_it(admin: Browser, throttle: Throttle, written: str, rate: float | None) -> None:
    Throttle.objects.update(rate=7)

    agree_to(admin, page_of(throttle), rate=written)

    assert Throttle.objects.get().rate == rate


@pytest.mark.parametrize("written", ["fast", "0/s", "-1/s", "20", "20/d", "1.5/s", "20/s;", "99999999/s"])
def test_what_is_no_rate_is_refused_with_how_to_write_it(admin: Browser, throttle: Throttle, written: str) -> None:
    page = agree_to(admin, page_of(throttle), rate=written)

    assert "Write it like 50/s, 600/m or 1000/h." in text_of(page)
    assert Throttle.objects.get().rate is None


def test_the_list_says_what_holds_and_by_whose_word(admin: Browser, throttle: Throttle) -> None:
    assert "50/s" in (before := text_of(admin.get(reverse(LIST))))
    assert "server setting" in before

    Throttle.objects.update(rate=1.5)

    assert "90/m" in (after := text_of(admin.get(reverse(LIST))))
    assert ">staff<" in after
    assert 'value="90/m"' in text_of(admin.get(page_of(throttle)))


def test_the_rows_of_the_list_are_counted_as_providers(admin: Browser, throttle: Throttle) -> None:
    assert "1 provider </span>" in text_of(admin.get(reverse(LIST)))
    Throttle.objects.create(channel=Channel.SMS, provider="other", filled_at=timezone.now())

    assert "2 providers </span>" in text_of(admin.get(reverse(LIST)))


def test_a_mail_backend_is_shown_by_its_name_and_not_as_a_path(
    admin: Browser, throttle: Throttle, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.amazon_ses.EmailBackend"
    throttles.register(channel=Channel.EMAIL, now=timezone.now())
    row = Throttle.objects.get(provider=settings.EMAIL_BACKEND)

    pages = [text_of(admin.get(reverse(LIST))), text_of(admin.get(page_of(row)))]

    assert all("amazon ses" in page for page in pages)
    assert not any("anymail.backends" in page for page in pages)


def test_a_server_is_shown_by_its_host_name() -> None:
    assert Throttle(channel=Channel.EMAIL, provider="smtp.example.com").provider_name == "smtp.example.com"


def test_the_history_says_who_changed_it_from_what_to_what(admin: Browser, throttle: Throttle) -> None:
    agree_to(admin, page_of(throttle), rate="20/s")
    agree_to(admin, page_of(throttle), rate="20/s")
    agree_to(admin, page_of(throttle), rate="10/m")

    entries = list(LogEntry.objects.order_by("pk"))
    told = [entry.get_change_message() for entry in entries if entry.change_message != "[]"]
    assert told == ["Changed from the server’s setting to 20/s.", "Changed from 20/s to 10/m."]
    assert {entry.user.get_username() for entry in entries} == {"root"}


def test_seeing_it_is_not_changing_it(staff: LogIn, throttle: Throttle) -> None:
    browser = staff("notifier.view_throttle")

    assert browser.get(page_of(throttle)).status_code == 200
    assert browser.post(page_of(throttle), {"rate": "20/s"}).status_code == 403
    assert agree_to(staff("notifier.change_throttle"), page_of(throttle), rate="20/s").status_code == 302
