"""The page behind *Unsubscribe*: a look changes nothing, a post ends it at once, and a bad link learns nothing."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.test import override_settings
from django.urls import reverse

from notifier.clients import erasure
from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from notifier.models import Client, ConsentChange, Preference
from notifier.public import rate_limits
from tests.support.factories import a_client, a_topic, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

TokenOf = Callable[..., str]
#: As mailbox providers post it: RFC 8058, 3.2 allows both, and asks receivers to take both.
URLENCODED = ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
MULTIPART = (
    '------WebKitFormBoundaryx8PWNd\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
    "One-Click\r\n------WebKitFormBoundaryx8PWNd--\r\n",
    "multipart/form-data; boundary=----WebKitFormBoundaryx8PWNd",
)
CHARSET = ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded; charset=UTF-8")


def post(visitor: Browser, token: str, body: str = "", kind: str = "application/x-www-form-urlencoded") -> Any:
    return visitor.post(f"/u/{token}", body, content_type=kind)


def gets_listings(client: Client) -> bool:
    return Preference.objects.filter(client=client, topic__slug="listings", email=True).exists()


def said(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """All that whoever asked can tell one answer from another by."""
    return answer.status_code, answer.content, dict(answer.headers)


# --- A look -----------------------------------------------------------------------------------------------------------
def test_the_page_asks_about_the_topic_and_names_the_sender(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="both")

    page = visitor.get(f"/u/{token_of(client)}")

    html = page.content.decode()
    assert page.status_code == 200
    assert "Unsubscribe from e-mails about Listings?" in html
    assert "<strong>Notifier</strong>" in html
    # Whoever was forwarded the mail learns nothing from it.
    assert client.name not in html
    assert str(client.email) not in html


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete", "trace"])
def test_nothing_but_a_post_acts(visitor: Browser, token_of: TokenOf, method: str) -> None:
    client = a_client(listings="email")

    answer = getattr(visitor, method)(f"/u/{token_of(client)}")

    assert answer.status_code == (200 if method in ("get", "head") else 405)
    assert gets_listings(client)
    assert not ConsentChange.objects.exists()


def test_the_links_lead_where_the_pages_are() -> None:
    token = signed_links.token(Link(7, 1, 42))

    assert signed_links.unsubscribe_url(token) == f"http://localhost:8000{reverse('unsubscribe', args=[token])}"
    assert signed_links.preferences_url(token) == f"http://localhost:8000{reverse('preferences', args=[token])}"
    assert signed_links.is_public(reverse("unsubscribe", args=[token]))
    assert signed_links.is_public(reverse("preferences", args=[token]))
    assert not signed_links.is_public("/admin/")


# --- The post ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [URLENCODED, MULTIPART, CHARSET], ids=["urlencoded", "multipart", "charset"])
def test_a_mail_program_s_button_ends_it_at_once(visitor: Browser, token_of: TokenOf, body: tuple[str, str]) -> None:
    client, other = a_client(listings="both", offerings="email"), a_client(listings="email")

    answer = post(visitor, token_of(client), *body)

    # RFC 8058, 3.1: no redirect, and no cookie is needed or given.
    assert (answer.status_code, answer.cookies) == (200, {})
    assert not gets_listings(client)
    assert gets_listings(other)
    change = ConsentChange.objects.get()
    assert (change.client, change.topic.slug, change.channel, change.agreed) == (client, "listings", "email", False)
    assert (change.source, change.ip, change.detail) == ("ONE_CLICK", "192.0.2.7", "broadcast 42")
    assert Preference.objects.get(client=client, topic__slug="listings").sms


def test_the_page_s_own_button_is_on_record_as_that(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="email")

    answer = post(visitor, token_of(client))

    assert "any more e-mails about Listings" in answer.content.decode()
    change = ConsentChange.objects.get()
    assert (change.source, change.ip) == ("LINK", "192.0.2.7")


def test_a_link_of_no_broadcast_says_so(visitor: Browser, token_of: TokenOf) -> None:
    post(visitor, token_of(a_client(listings="email"), broadcast_id=0))

    assert ConsentChange.objects.get().detail == ""


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "multipart/form-data; boundary=x"),
        ("--x\r\nnonsense", "multipart/form-data; boundary=x"),
        ("List-Unsubscribe=One-Click", "multipart/form-data"),
        ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded; charset=utf-7"),
        ("a=1&" * 2000, "application/x-www-form-urlencoded"),
        ("x" * 3_000_000, "application/x-www-form-urlencoded"),
        ("List-Unsubscribe=One-Click", "text/plain"),
        ("{}", "application/json"),
    ],
)
def test_a_post_that_can_not_be_read_is_a_refusal_all_the_same(
    visitor: Browser, token_of: TokenOf, body: str, kind: str
) -> None:
    client = a_client(listings="email")

    answer = post(visitor, token_of(client), body, kind)

    assert answer.status_code == 200
    assert not gets_listings(client)


def test_it_may_be_used_again_and_says_the_same(visitor: Browser, token_of: TokenOf) -> None:
    token = token_of(a_client(listings="email"))

    first, again = (said(post(visitor, token, *URLENCODED)) for _ in range(2))

    assert first == again
    assert ConsentChange.objects.count() == 1


def test_whoever_agreed_again_is_not_refused_by_the_earlier_click_of_another(
    visitor: Browser, token_of: TokenOf
) -> None:
    client = a_client(listings="email")
    post(visitor, token_of(client))
    Preference.objects.update(email=True)

    post(visitor, token_of(client, broadcast_id=43))

    assert not gets_listings(client)


def test_an_erased_client_s_link_says_the_same_as_a_success(visitor: Browser, token_of: TokenOf, now: Any) -> None:
    client = a_client(listings="email")
    token = token_of(client)
    looked, pressed = said(visitor.get(f"/u/{token}")), said(post(visitor, token))
    Preference.objects.update(email=True)
    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)
    changes = ConsentChange.objects.count()

    assert said(visitor.get(f"/u/{token}")) == looked
    assert said(post(visitor, token)) == pressed
    assert ConsentChange.objects.count() == changes


def test_a_link_works_after_the_key_was_replaced(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="email")
    with override_settings(SECRET_KEY="the old one"):
        token = token_of(client)

    with override_settings(SECRET_KEY="the new one", SECRET_KEY_FALLBACKS=["the old one"]):
        kept = post(visitor, token).status_code
    with override_settings(SECRET_KEY="the new one", SECRET_KEY_FALLBACKS=[]):
        lost = post(visitor, token).status_code

    assert (kept, lost) == (200, 404)
    assert not gets_listings(client)


# --- Bad links --------------------------------------------------------------------------------------------------------
def test_every_bad_link_gets_the_same_answer_to_everything(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="email")
    token, gone = token_of(client), signed_links.token(Link(999_999, a_topic().pk, 42))
    no_topic = signed_links.token(Link(client.pk, 999_999, 42))
    bad = [token[:-1], f"{token}x", token.upper(), f"{token}/", "", "x", "a/b/c", "%0A", "%00", "%FF", "⌘" * 50]

    answers = [said(visitor.get(f"/{page}/{one}")) for one in (*bad, gone) for page in "up"]
    answers.append(said(visitor.get(f"/u/{no_topic}")))

    assert answers == [answers[0]] * len(answers)
    assert answers[0][0] == 404
    assert "This link doesn’t work".encode() in answers[0][1]
    posts = [said(visitor.post(f"/{page}/{one}")) for one in (token[:-1], gone) for page in "up"]
    assert posts == [answers[0]] * len(posts)
    assert gets_listings(client)


def test_a_forged_link_costs_no_query(visitor: Browser, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        visitor.get("/u/1-7-1-42:forged")
        visitor.post("/p/1-7-1-42:forged")


# --- What it costs ----------------------------------------------------------------------------------------------------
def test_it_takes_few_queries_however_much_there_is(
    visitor: Browser, token_of: TokenOf, django_assert_max_num_queries: Any
) -> None:
    token = token_of(a_client(listings="both", offerings="both"))

    with django_assert_max_num_queries(3):
        visitor.get(f"/u/{token}")
    with django_assert_max_num_queries(14):
        post(visitor, token)


# --- Tests that staff send themselves ---------------------------------------------------------------------------------
@pytest.mark.parametrize("topic_id", [0, 1])
def test_a_test_s_link_can_be_looked_at_and_changes_nothing(
    visitor: Browser, topic_id: int, django_assert_max_num_queries: Any
) -> None:
    client = a_client(listings="email")
    token = signed_links.token(Link(signed_links.NOBODY, topic_id and a_topic().pk, 0))

    pages = [visitor.get(f"/u/{token}"), post(visitor, token, *URLENCODED), visitor.get(f"/p/{token}")]
    saved = visitor.post(f"/p/{token}", {"stop": "everything"})
    with django_assert_max_num_queries(2):  # the topic's name, and the brand
        post(visitor, token)

    assert [page.status_code for page in pages] == [200] * 3
    assert all("This is a test." in page.content.decode() for page in pages)
    assert saved.status_code == 303
    assert gets_listings(client)
    assert not ConsentChange.objects.exists()


# --- Headers, cookies, logs -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/u/", "/p/"])
@pytest.mark.parametrize("is_good", [True, False])
def test_nothing_is_kept_told_or_found(visitor: Browser, token_of: TokenOf, path: str, is_good: bool) -> None:
    token = token_of(a_client(listings="email")) if is_good else "x"

    for answer in (visitor.get(path + token), visitor.post(path + token)):
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert answer["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in answer["Content-Security-Policy"]
        # The language of a client is their own, and that of a stranger their browser's.
        assert answer.get("Vary") == (None if is_good else "Accept-Language")
        assert not answer.cookies


def test_a_member_of_staff_who_is_logged_in_is_nobody_there(token_of: TokenOf) -> None:
    client, staff = a_client(listings="email"), Browser()
    staff.force_login(a_user(is_superuser=True))
    # Anywhere else this log-in would now be kept alive, by a session that is written and a cookie with it.
    User.objects.update(last_login=None)

    answer = staff.post(f"/u/{token_of(client)}")
    page = staff.get(f"/p/{token_of(client)}")

    for each in (answer, page):
        assert (dict(each.cookies), "Vary" in each) == ({}, False)
    assert ConsentChange.objects.get().by is None
    # And is still logged in everywhere else.
    front = staff.get(reverse("admin:index"))
    assert (front.status_code, bool(front.cookies)) == (200, True)


@pytest.mark.usefixtures("settings")
def test_hsts_and_the_redirect_to_https_hold_here_too(visitor: Browser, settings: Any, token_of: TokenOf) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 3600
    token = token_of(a_client(listings="email"))

    plain, secure = visitor.get(f"/u/{token}"), visitor.get(f"/u/{token}", secure=True)

    assert (plain.status_code, plain["Location"]) == (301, f"https://testserver/u/{token}")
    assert "max-age=3600" in secure["Strict-Transport-Security"]


def test_no_log_holds_a_token(visitor: Browser, token_of: TokenOf) -> None:
    token = token_of(a_client(listings="email"))
    handler = next(handler for handler in logging.getLogger("django").handlers if handler.name == "console")
    lines: list[str] = []
    kept = handler.emit
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    try:
        visitor.get(f"/u/{token}x")
        visitor.put(f"/u/{token}")
        visitor.get(f"/p/{token}/more")
    finally:
        handler.emit = kept  # type: ignore[method-assign]

    assert [line.partition("django.request: ")[2] for line in lines] == [
        "Not Found: /u/…",
        "Method Not Allowed (PUT): /u/…",
        "Not Found: /p/…",
    ]


# --- How often --------------------------------------------------------------------------------------------------------
def test_bad_links_are_counted_by_address_and_good_ones_from_there_still_work(
    visitor: Browser, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_BAD_LINKS", 3)
    token = token_of(a_client(listings="email"))

    statuses = [visitor.get("/u/guess").status_code for _ in range(5)]
    elsewhere = visitor.get("/u/guess", REMOTE_ADDR="198.51.100.9").status_code

    assert (statuses, elsewhere) == ([404, 404, 404, 429, 429], 404)
    answer = visitor.post("/p/guess")
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert "Wait a minute" in answer.content.decode()
    assert visitor.get(f"/u/{token}").status_code == 200
    assert post(visitor, token, *URLENCODED).status_code == 200


def test_a_link_that_is_looked_at_too_often_rests_and_still_ends_it(
    visitor: Browser, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_LOOKS", 2)
    client, other = a_client(listings="email"), a_client(listings="email")

    # Each mail has another token; it is the client who is counted.
    statuses = [visitor.get(f"/u/{token_of(client, broadcast_id=number)}").status_code for number in range(4)]

    assert statuses == [200, 200, 429, 429]
    assert visitor.get(f"/u/{token_of(other)}").status_code == 200
    assert [post(visitor, token_of(client), *URLENCODED).status_code for _ in range(5)] == [200] * 5
    assert not gets_listings(client)


def test_the_next_minute_is_a_new_one(visitor: Browser, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_LOOKS", 1)
    moment = 1_800_000_000.0
    monkeypatch.setattr("notifier.web.minute_counts.time.time", lambda: moment)
    token = token_of(a_client(listings="email"))

    now = [visitor.get(f"/u/{token}").status_code for _ in range(2)]
    moment += 60

    assert (now, visitor.get(f"/u/{token}").status_code) == ([200, 429], 200)
