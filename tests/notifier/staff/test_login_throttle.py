"""Wrong passwords: who has to wait, for how long, and who does not."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client as Browser
from django.test import RequestFactory
from django.urls import reverse

from notifier.staff import login_throttle
from tests.support.factories import a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

HERE, THERE = "192.0.2.7", "198.51.100.9"
RIGHT, WRONG = "open sesame", "open barley"


@pytest.fixture
def ann() -> User:
    return a_user(username="ann", password=RIGHT)


def log_in(name: str, password: str, *, address: str = HERE, **headers: str) -> HttpResponse:
    # The answer is looked at as a new visitor each time.
    form = {"username": name, "password": password}
    answer = Browser().post(reverse("admin:login"), form, REMOTE_ADDR=address, headers=headers)
    return cast(HttpResponse, answer)


def fail(name: str, times: int, **rest: str) -> list[int]:
    return [log_in(name, WRONG, **rest).status_code for _ in range(times)]


def minutes_pass(minutes: int) -> None:
    for attempt in AccessAttempt.objects.all():
        moment = attempt.attempt_time - timedelta(minutes=minutes)
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=moment)


def test_the_fifth_failure_locks_this_user_out_from_this_address_even_with_the_right_password(ann: User) -> None:
    assert fail("ann", 5) == [200, 200, 200, 200, 429]

    assert log_in("ann", RIGHT).status_code == 429


def test_the_same_user_may_log_in_from_elsewhere_and_others_from_here(ann: User) -> None:
    a_user(username="ben", password=RIGHT)
    fail("ann", 5)

    assert log_in("ann", RIGHT, address=THERE).status_code == 302
    assert log_in("ben", RIGHT).status_code == 302


def test_a_new_browser_makes_no_difference(ann: User) -> None:
    for number in range(5):
        log_in("ann", WRONG, user_agent=f"Browser {number}")

    assert log_in("ann", RIGHT, user_agent="Another").status_code == 429


def test_after_the_cool_off_it_is_over(ann: User, settings: Any) -> None:
    fail("ann", 5)

    minutes_pass(settings.LOGIN_COOLOFF_MINUTES - 1)
    early = log_in("ann", RIGHT).status_code
    minutes_pass(1)

    assert (early, log_in("ann", RIGHT).status_code) == (429, 302)


def test_trying_meanwhile_makes_it_no_longer(ann: User) -> None:
    """Or somebody could keep staff of the same office out for ever."""
    fail("ann", 5)
    minutes_pass(10)
    fail("ann", 5)
    minutes_pass(5)

    assert log_in("ann", RIGHT).status_code == 302


def test_a_success_wipes_the_failures_of_before(ann: User) -> None:
    fail("ann", 4)
    log_in("ann", RIGHT)

    assert fail("ann", 4) == [200] * 4


def test_an_address_that_fails_ten_times_as_often_waits_whatever_names_it_tries(ann: User) -> None:
    AccessAttempt.objects.bulk_create(
        AccessAttempt(username=f"name{number}", ip_address=HERE, user_agent="x", failures_since_start=4)
        for number in range(12)
    )
    assert log_in("ann", RIGHT).status_code == 302

    AccessAttempt.objects.create(username="name13", ip_address=HERE, user_agent="x", failures_since_start=2)

    assert log_in("ann", RIGHT).status_code == 429
    assert log_in("ann", RIGHT, address=THERE).status_code == 302


def test_the_page_says_until_when_and_what_to_do(ann: User) -> None:
    fail("ann", 5)
    minutes_pass(3)

    answer = log_in("ann", RIGHT)

    text = " ".join(answer.content.decode().split())
    assert 11 * 60 < int(answer["Retry-After"]) <= 12 * 60
    assert "Try again in 12 minutes" in text
    until = AccessAttempt.objects.get().attempt_time + timedelta(minutes=15)
    assert f"at {until.astimezone(UTC):%H:%M}" in text
    assert "ann" not in text.split("<h1>", 1)[1]


def test_names_that_do_not_exist_are_answered_alike(ann: User) -> None:
    def shown(name: str) -> list[tuple[int, str]]:
        answers = [log_in(name, WRONG) for _ in range(6)]
        texts = (answer.content.decode().split("<h1>", 1)[1].replace(name, "NAME") for answer in answers)
        # The second name's attempts may be made in another minute.
        texts = (re.sub(r"at \d\d:\d\d", "at TIME", text) for text in texts)
        tokenless = (text.partition('name="csrfmiddlewaretoken"') for text in texts)
        return [
            (answer.status_code, before + after.partition(">")[2])
            for answer, (before, _, after) in zip(answers, tokenless, strict=True)
        ]

    assert shown("ann") == shown("zed")


def test_no_name_and_no_password_is_kept_of_what_was_posted(ann: User) -> None:
    fail("ann", 2)

    posted = AccessAttempt.objects.get().post_data

    assert "ann" not in posted
    assert WRONG not in posted


# --- Where it comes from ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("proxied", "peer", "forwarded", "address"),
    [
        (False, HERE, "", HERE),
        # Anybody can send the header.
        (False, HERE, THERE, HERE),
        (True, "10.0.0.1", THERE, THERE),
        # What stands before the last was sent by the client.
        (True, "10.0.0.1", f"203.0.113.5, {THERE}", THERE),
        (True, "10.0.0.1", "", "10.0.0.1"),
        (True, "10.0.0.1", "nonsense", None),
        (False, "", "", None),
        (False, "::ffff:192.0.2.7", "", HERE),
        # Some proxies write the port as well.
        (True, "10.0.0.1", f"{THERE}:4711", THERE),
        (True, "10.0.0.1", f"203.0.113.5:80, {THERE}:65535", THERE),
        (True, "10.0.0.1", "[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::"),
        (True, "10.0.0.1", "[2001:db8:1:2:3:4:5:6]", "2001:db8:1:2::"),
        (True, "10.0.0.1", "[::ffff:192.0.2.7]:80", HERE),
        (True, "10.0.0.1", f"{THERE}:port", None),
        (True, "10.0.0.1", "[]:80", None),
        # One customer has them all.
        (False, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::"),
    ],
)
def test_the_address_is_the_one_that_our_own_side_saw(
    settings: Any, proxied: bool, peer: str, forwarded: str, address: str | None
) -> None:
    settings.BEHIND_PROXY = proxied
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"X-Forwarded-For": forwarded} if forwarded else {})

    assert login_throttle.client_address(request) == address


def test_a_spoofed_address_does_not_help(ann: User) -> None:
    statuses = [log_in("ann", WRONG, **{"X-Forwarded-For": f"203.0.113.{number}"}).status_code for number in range(5)]

    assert statuses[-1] == 429


def test_behind_a_proxy_clients_are_told_apart(ann: User, settings: Any) -> None:
    settings.BEHIND_PROXY = True
    for _ in range(5):
        log_in("ann", WRONG, address="10.0.0.1", **{"X-Forwarded-For": HERE})

    assert log_in("ann", RIGHT, address="10.0.0.1", **{"X-Forwarded-For": HERE}).status_code == 429
    assert log_in("ann", RIGHT, address="10.0.0.1", **{"X-Forwarded-For": THERE}).status_code == 302


def test_failures_behind_a_proxy_that_writes_the_port_lock_nobody_else_out(ann: User, settings: Any) -> None:
    settings.BEHIND_PROXY = True
    for number in range(12):
        AccessAttempt.objects.create(username=f"name{number}", ip_address=HERE, user_agent="x", failures_since_start=5)
    fail("ann", 5, address="10.0.0.1", **{"X-Forwarded-For": f"{HERE}:4711"})

    from_here = log_in("ann", RIGHT, address="10.0.0.1", **{"X-Forwarded-For": f"{HERE}:4712"}).status_code
    from_there = log_in("ann", RIGHT, address="10.0.0.1", **{"X-Forwarded-For": f"{THERE}:4711"}).status_code

    assert (from_here, from_there) == (429, 302)


def test_visitors_whose_address_can_not_be_told_are_not_counted_as_one(ann: User, settings: Any) -> None:
    settings.BEHIND_PROXY = True
    unknown = {"address": "10.0.0.1", "X-Forwarded-For": "unknown"}
    for number in range(60):
        AccessAttempt.objects.create(username=f"name{number}", ip_address=None, user_agent="x", failures_since_start=4)

    assert log_in("ann", RIGHT, **unknown).status_code == 302
    # The name still has to wait: otherwise nothing would count.
    assert fail("ann", 5, **unknown)[-1] == 429


# --- Odd names --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("length", [151, 255, 256, 300, 5000])
def test_a_name_that_is_longer_than_any_is_refused_and_counted(length: int) -> None:
    name = "n" * length

    assert fail(name, 5) == [200, 200, 200, 200, 429]

    # Whatever stands behind it makes it no other name.
    assert log_in(name + "x", WRONG).status_code == 429


@pytest.mark.parametrize("name", ["ann\0", "\0", "", " ", "\ud800", "ﬁ" * 200, "a" * 149 + "ﬀ"])
def test_whatever_is_given_as_a_name_gets_an_answer(ann: User, name: str) -> None:
    form = {"username": name.encode("utf-8", "replace"), "password": RIGHT}

    assert Browser().post(reverse("admin:login"), form, REMOTE_ADDR=HERE).status_code == 200


# --- Passwords that everybody can read --------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["admin", "Admin"])
def test_a_published_password_opens_nothing_where_others_come(settings: Any, name: str) -> None:
    a_user(username=name, password="admin")
    settings.PUBLIC_URL = "https://news.example.com"

    answer = log_in(name, "admin")

    assert answer.status_code == 200
    assert "This password is published in the documentation" in answer.content.decode()
    assert "manage.py" not in answer.content.decode()
    settings.PUBLIC_URL = "http://localhost:8000"
    assert log_in(name, "admin").status_code == 302


def test_nor_does_it_where_a_host_name_is_for_others_or_somebody_comes_over_the_internet(settings: Any) -> None:
    a_user(username="admin", password="admin")

    assert log_in("admin", "admin", address="8.8.8.8").status_code == 200
    assert log_in("admin", "admin", address="2001:4860:4860::8888").status_code == 200
    assert log_in("admin", "admin", address="172.18.0.1").status_code == 302
    settings.OTHER_HOSTS = ["news.example.com"]
    assert log_in("admin", "admin", address="127.0.0.1").status_code == 200


def test_the_names_that_come_with_the_product_log_in_with_passwords_of_their_own(settings: Any) -> None:
    a_user(username="admin", password=RIGHT)
    settings.PUBLIC_URL = "https://news.example.com"

    assert log_in("admin", RIGHT).status_code == 302


# --- The old password that a new one asks for -------------------------------------------------------------------------
PAGE = reverse("admin:password_change")
NEW = {"new_password1": "Zq8w-Yt5Rn", "new_password2": "Zq8w-Yt5Rn"}


@pytest.fixture
def inside(ann: User) -> Browser:
    """A browser that somebody left open."""
    browser = Browser(REMOTE_ADDR=HERE)
    browser.force_login(ann)
    return browser


def test_the_old_password_can_not_be_guessed_for_ever(ann: User, inside: Browser) -> None:
    statuses = [inside.post(PAGE, {"old_password": WRONG, **NEW}).status_code for _ in range(6)]
    known = inside.post(PAGE, {"old_password": RIGHT, **NEW})

    assert statuses == [200, 200, 200, 200, 429, 429]
    assert known.status_code == 429
    ann.refresh_from_db()
    assert ann.check_password(RIGHT)
    assert "Try again in 15 minutes" in " ".join(known.content.decode().split())


def test_guesses_at_the_log_in_and_behind_it_add_up(ann: User, inside: Browser) -> None:
    fail("ann", 3)
    behind = [inside.post(PAGE, {"old_password": WRONG, **NEW}).status_code for _ in range(2)]

    assert behind == [200, 429]
    assert log_in("ann", RIGHT).status_code == 429
    assert log_in("ann", RIGHT, address=THERE).status_code == 302


def test_a_new_password_that_is_no_good_is_no_guess(ann: User, inside: Browser) -> None:
    for _ in range(6):
        inside.post(PAGE, {"old_password": RIGHT, "new_password1": "1", "new_password2": "2"})

    assert not AccessAttempt.objects.exists()
    assert inside.post(PAGE, {"old_password": RIGHT, **NEW}).status_code == 302


# --- In the back office -----------------------------------------------------------------------------------------------
def test_an_administrator_lets_somebody_try_again(ann: User) -> None:
    fail("ann", 5)
    row = AccessAttempt.objects.get()
    browser = Browser()
    browser.force_login(a_user(is_superuser=True))
    listed = browser.get(reverse("admin:axes_accessattempt_changelist")).content.decode()
    assert "Blocked until" in listed

    action = {"action": "unlock", "_selected_action": [row.pk]}
    said = browser.post(reverse("admin:axes_accessattempt_changelist"), action, follow=True).content.decode()

    assert "Unblocked: ann." in said
    assert log_in("ann", RIGHT).status_code == 302


def test_the_end_is_when_the_oldest_failures_are_forgotten() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    rows = [(noon, 3), (noon + timedelta(minutes=4), 2), (noon + timedelta(minutes=6), 4)]

    ends = {most: login_throttle._end(rows, most) for most in (10, 9, 6, 5, 4)}

    assert ends == {
        10: None,
        9: noon + timedelta(minutes=15),
        # Six are left after the first.
        6: noon + timedelta(minutes=19),
        5: noon + timedelta(minutes=19),
        4: noon + timedelta(minutes=21),
    }
