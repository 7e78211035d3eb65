"""A client's own page: it shows what holds, changes what was moved and nothing else, and says what came of it."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client as Browser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.clients import erasure
from notifier.consent import preference_center, suppressions
from notifier.models import Channel, Client, ConsentChange, Preference, Suppression, Topic
from notifier.public import rate_limits
from tests.support.checks.ledger import unaccounted
from tests.support.factories import a_client, a_topic

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

TokenOf = Callable[..., str]
_INPUT = re.compile(r"<input ([^>]*)>")
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')


def form_of(html: str) -> set[str]:
    """The names of what a browser would post of the page as it stands."""
    found = set()
    for attributes in _INPUT.findall(html):
        one = dict(_ATTRIBUTE.findall(attributes))
        if one["type"] == "hidden" or "checked" in attributes:
            found.add(one["name"])
    return found


def switches_of(html: str) -> set[str]:
    """All that there are, be they on or off."""
    inputs = [dict(_ATTRIBUTE.findall(attributes)) for attributes in _INPUT.findall(html)]
    return {one["name"].partition(".")[2] for one in inputs if one["type"] == "checkbox"}


def on_in(form: set[str]) -> set[str]:
    return {name.removeprefix("keep.") for name in form if name.startswith("keep.")}


def posted(form: set[str]) -> dict[str, str]:
    return dict.fromkeys(form, "on")


def value(slug: str, channel: str) -> str:
    return f"{a_topic(slug=slug).pk}.{channel}"


def holds(client: Client) -> set[str]:
    return {f"{topic_id}.{channel.value}" for topic_id, channel in preference_center.current_consent(client).agreed}


def words(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def suppress(client: Client, source: Suppression.Source, now: datetime, channel: Channel = Channel.EMAIL) -> None:
    address = str(client.email if channel == Channel.EMAIL else client.phone)
    suppressions.suppress(channel=channel, address=address, evidence=suppressions.Evidence(source, "said so"), now=now)


def test_it_shows_whose_it_is_and_what_holds(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(name="Zoë <b>Example</b>", listings="email", offerings="sms")

    page = visitor.get(f"/p/{token_of(client)}")

    assert "Zoë &lt;b&gt;Example&lt;/b&gt;" in page.content.decode()
    on = {value("listings", "email"), value("offerings", "sms")}
    html = page.content.decode()
    assert form_of(html) == {f"{kind}.{one}" for kind in ("keep", "seen") for one in on}
    assert switches_of(html) == {value(slug, channel) for slug in ("listings", "offerings") for channel in Channel}
    # The address is nobody's business who was forwarded the mail.
    assert str(client.email) not in page.content.decode()


def test_saving_changes_what_was_moved_and_the_next_look_shows_it(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="email", offerings="sms")
    path = f"/p/{token_of(client)}"
    form = form_of(visitor.get(path).content.decode())
    form -= {f"keep.{value('listings', 'email')}"}
    form |= {f"add.{value('listings', 'sms')}"}

    answer = visitor.post(path, posted(form))
    page = visitor.get(path + answer["Location"])

    assert (answer.status_code, answer["Location"]) == (303, "?saved")
    assert "Your preferences have been saved." in words(page)
    expected = {value("listings", "sms"), value("offerings", "sms")}
    assert on_in(form_of(page.content.decode())) == holds(client) == expected
    changes = list(ConsentChange.objects.values_list("source", "ip", "detail", "agreed").order_by("agreed"))
    assert changes == [("PAGE", "192.0.2.7", "broadcast 42", False), ("PAGE", "192.0.2.7", "broadcast 42", True)]


def test_saving_without_a_change_says_so(visitor: Browser, token_of: TokenOf) -> None:
    path = f"/p/{token_of(a_client(listings='email'))}"
    form = form_of(visitor.get(path).content.decode())

    answer = visitor.post(path, posted(form))

    assert answer["Location"] == "?same"
    assert "Nothing was changed." in words(visitor.get(f"{path}?same"))
    assert not ConsentChange.objects.exists()


def test_an_old_page_brings_nothing_back_that_was_refused_since(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="both", offerings="both")
    path = f"/p/{token_of(client)}"
    old = form_of(visitor.get(path).content.decode())
    visitor.post(path, {"stop": "everything"})

    # All is on in it still, but for one switch that is moved.
    old.remove(f"keep.{value('listings', 'sms')}")
    visitor.post(path, posted(old))

    assert holds(client) == set()


def test_two_pages_that_are_open_at_once_each_change_their_own(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="email")
    path = f"/p/{token_of(client)}"
    first, second = (form_of(visitor.get(path).content.decode()) for _ in range(2))
    first.add(f"add.{value('offerings', 'email')}")
    second.add(f"add.{value('offerings', 'sms')}")

    visitor.post(path, posted(first))
    visitor.post(path, posted(second))

    assert holds(client) == {value("listings", "email"), value("offerings", "email"), value("offerings", "sms")}


def test_stop_everything_stops_everything(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="both", offerings="sms")
    path = f"/p/{token_of(client)}"

    answer = visitor.post(path, {"stop": "everything"})
    page = visitor.get(path + answer["Location"])

    assert "You have unsubscribed from everything. Notifier won’t send you anything more." in words(page)
    assert form_of(page.content.decode()) == set()
    assert not Preference.objects.filter(client=client, email=True).exists()
    assert not Preference.objects.filter(client=client, sms=True).exists()
    assert set(ConsentChange.objects.values_list("source", "agreed")) == {("PAGE", False)}


def test_it_says_that_everything_is_stopped_only_as_long_as_it_is(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(listings="both")
    path = f"/p/{token_of(client)}"
    stopped = path + visitor.post(path, {"stop": "everything"})["Location"]

    visitor.post(path, posted({f"add.{value('listings', 'email')}"}))

    assert "You have unsubscribed from everything" not in words(visitor.get(stopped))


# --- Channels that can't be used --------------------------------------------------------------------------------------
def test_a_channel_without_an_address_is_shown_as_not_available(visitor: Browser, token_of: TokenOf) -> None:
    client = a_client(phone=None, listings="both")
    path = f"/p/{token_of(client)}"

    page = visitor.get(path)

    assert "SMS not available: we don’t have your phone number" in words(page)
    assert not [name for name in switches_of(page.content.decode()) if name.endswith(".sms")]
    # What it did not show, it does not change.
    visitor.post(path, posted({f"seen.{value('listings', 'email')}"}))
    assert holds(client) == {value("listings", "sms")}


@pytest.mark.parametrize(
    ("channel", "source", "expected"),
    [
        ("email", "CLIENT", "You unsubscribed from all e-mail"),
        ("email", "BOUNCE", "Our e-mails to you bounced"),
        ("email", "COMPLAINT", "was reported as spam"),
        ("email", "STAFF", "We don’t send you e-mails, whatever"),
        ("email", "ERASED", "We don’t send you e-mails, whatever"),
        ("sms", "CLIENT", "You replied STOP"),
        ("sms", "BOUNCE", "Our SMS could not be delivered"),
        ("sms", "STAFF", "We don’t send you SMS, whatever"),
    ],
)
def test_a_suppressed_channel_says_so_in_plain_words(
    visitor: Browser, token_of: TokenOf, now: datetime, channel: str, source: str, expected: str
) -> None:
    client = a_client(listings="both")
    suppress(client, Suppression.Source(source), now, Channel(channel))

    page = visitor.get(f"/p/{token_of(client)}")

    assert expected in words(page)
    assert "said so" not in words(page)


def test_who_stopped_all_mail_sees_it_off_and_may_switch_it_on_again(
    visitor: Browser, token_of: TokenOf, now: datetime
) -> None:
    client = a_client(listings="email", offerings="email")
    suppress(client, Suppression.Source.CLIENT, now)
    path = f"/p/{token_of(client)}"
    assert form_of(visitor.get(path).content.decode()) == set()

    answer = visitor.post(path, posted({f"add.{value('listings', 'email')}"}))

    assert answer["Location"] == "?saved"
    assert not Suppression.objects.exists()
    assert on_in(form_of(visitor.get(path).content.decode())) == {value("listings", "email")}


def test_who_replied_stop_sees_it_off_and_has_no_switch_that_would_do_nothing(
    visitor: Browser, token_of: TokenOf, now: datetime
) -> None:
    client = a_client(listings="both", offerings="neither")
    suppress(client, Suppression.Source.CLIENT, now, Channel.SMS)
    path = f"/p/{token_of(client)}"

    page = visitor.get(path)

    assert switches_of(page.content.decode()) == {value("listings", "email"), value("offerings", "email")}
    assert "not available: unsubscribed" in words(page)
    visitor.post(path, posted({f"add.{value('offerings', 'sms')}", *form_of(page.content.decode())}))
    assert holds(client) == {value("listings", "email"), value("listings", "sms")}


def test_an_archived_client_is_told_that_nothing_is_sent(visitor: Browser, token_of: TokenOf) -> None:
    page = visitor.get(f"/p/{token_of(a_client(is_active=False, listings='email'))}")

    assert "Notifier doesn’t send you anything at the moment." in words(page)


def test_an_erased_client_has_nothing_to_choose(visitor: Browser, token_of: TokenOf, now: datetime) -> None:
    client = a_client(name="Ann Example", listings="email")
    path = f"/p/{token_of(client)}"
    form = form_of(visitor.get(path).content.decode())
    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)

    page = visitor.get(path)
    visitor.post(path, posted(form | {f"add.{value('offerings', 'email')}"}))

    assert "has erased your data" in words(page)
    assert f"Erased client {client.pk}" not in words(page)
    assert switches_of(page.content.decode()) == set()
    assert holds(client) == set()


# --- Whatever is posted -----------------------------------------------------------------------------------------------
NONSENSE = st.sampled_from(["x", "1", "1.fax", "1.email.sms", "-1.email", "٧.email", "9" * 18 + ".email", "", "\x00"])
KINDS = ("add", "keep", "seen")


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_any_form_changes_what_was_moved_and_nothing_else(token_of: TokenOf, data: st.DataObject) -> None:
    cache.clear()
    client = a_client(listings="email", offerings="both")
    before = holds(client)
    real = [value(slug, channel) for slug in ("listings", "offerings") for channel in Channel]
    fields = {kind: set(data.draw(st.lists(st.sampled_from(real) | NONSENSE, unique=True))) for kind in KINDS}
    form = {f"{kind}.{choice}" for kind, choices in fields.items() for choice in choices}

    answer = Browser(enforce_csrf_checks=True).post(f"/p/{token_of(client)}", posted(form))

    add, keep, seen = (fields[kind] & set(real) for kind in KINDS)
    expected = (before | add - seen) - (seen - keep)
    assert answer.status_code == 303
    assert holds(client) == expected
    assert answer["Location"] == ("?same" if expected == before else "?saved")
    # What the factory ticked is on no record: only what the page did.
    assert ConsentChange.objects.filter(client=client).count() == len(before ^ expected)


@pytest.mark.parametrize("query", ["?saved=<script>", "?<script>alert(1)</script>", "?said=x", "?" + "a" * 3000])
def test_nothing_of_the_address_is_read_back(visitor: Browser, token_of: TokenOf, query: str) -> None:
    page = visitor.get(f"/p/{token_of(a_client())}{query}")

    assert page.status_code == 200
    assert b"script" not in page.content


def test_its_evidence_is_in_order(visitor: Browser, token_of: TokenOf, now: datetime) -> None:
    client = a_client()
    path = f"/p/{token_of(client)}"
    listings, offerings = value("listings", "email"), value("offerings", "sms")
    for form in ({f"add.{listings}", f"add.{offerings}"}, {f"seen.{listings}"}, {f"seen.{offerings}"}):
        visitor.post(path, posted(form))

    assert holds(client) == set()
    assert ConsentChange.objects.count() == 4
    assert unaccounted() == {}


# --- What it costs, and how often -------------------------------------------------------------------------------------
def test_it_takes_as_many_queries_for_many_topics_as_for_few(
    visitor: Browser, token_of: TokenOf, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        a_topic(slug=f"topic-{number}")
    path = f"/p/{token_of(a_client(listings='both'))}"

    with django_assert_max_num_queries(6):
        page = visitor.get(path)

    assert len(switches_of(page.content.decode())) == 2 * Topic.objects.count()


def test_who_saves_too_often_is_told_to_wait_unless_something_is_switched_off(
    visitor: Browser, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_LOOKS", 0)
    client = a_client(listings="both")
    path, on = f"/p/{token_of(client)}", value("offerings", "sms")
    off = value("listings", "email")

    statuses = [
        visitor.get(path).status_code,
        visitor.post(path, posted({f"add.{on}"})).status_code,
        visitor.post(path, posted({f"seen.{off}"})).status_code,
        visitor.post(path, {"stop": "everything"}).status_code,
    ]

    assert statuses == [429, 429, 303, 303]
    assert holds(client) == set()


def test_who_agrees_too_often_is_told_to_wait(
    visitor: Browser, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preference_center, "MAX_AGREED_AN_HOUR", 0)
    client, on = a_client(), value("listings", "sms")

    answer = visitor.post(f"/p/{token_of(client)}", posted({f"add.{on}"}))

    assert answer.status_code == 429
    assert holds(client) == set()


def test_an_outage_says_nothing_of_how_the_house_fares(
    visitor: Browser, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(a_client())
    monkeypatch.setattr(
        "notifier.public.preferences.preference_center.current_consent",
        Mock(side_effect=OperationalError("connection refused")),
    )
    visitor.raise_request_exception = False

    page = visitor.get(f"/p/{token}")

    assert page.status_code == 503
    assert "We can’t show this page at the moment." in words(page)
    assert "broadcasts" not in words(page)
    assert "database" not in words(page)
