from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as h_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.audience import estimates, value_shapes
from notifier.messages import placeholders, sms_segments
from notifier.models import Channel, Client
from notifier.policies import client_values
from tests.support.factories import a_broadcast, a_client, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
NOW = datetime(2026, 11, 24, tzinfo=UTC)
#: With a name of three letters it is 160 long, and with a longer one it takes a second segment.
BRINK = "x" * 157 + "{{ first_name }}"


def measured(**rates: float) -> None:
    a_broadcast(tally={"throughput": {channel: {"given": rate * 60, "seconds": 60} for channel, rate in rates.items()}})


# --- Time -------------------------------------------------------------------------------------------------------------
def test_the_slower_channel_tells_how_long_it_takes() -> None:
    measured(email=10, sms=2)

    found = estimates.duration(sends={EMAIL: 100, SMS: 100})

    assert (found.time, found.rates, found.unknown) == (timedelta(seconds=50), {EMAIL: 10.0, SMS: 2.0}, [])


def test_a_channel_that_is_not_used_tells_nothing() -> None:
    measured(email=10, sms=2)

    found = estimates.duration(sends={EMAIL: 100, SMS: 0})

    assert (found.time, found.rates) == (timedelta(seconds=10), {EMAIL: 10.0})


def test_what_was_never_measured_is_said_to_be_unknown() -> None:
    assert estimates.duration(sends={EMAIL: 1, SMS: 1}).time is None
    measured(email=10)

    found = estimates.duration(sends={EMAIL: 100, SMS: 100})

    assert (found.time, found.unknown) == (timedelta(seconds=10), [SMS])


def test_who_waits_for_the_end_of_quiet_hours_makes_it_end_then_and_not_sooner() -> None:
    measured(email=10, sms=2)
    eight, nine = NOW + timedelta(hours=8), NOW + timedelta(hours=9)

    found = estimates.duration(
        sends={EMAIL: 300, SMS: 20}, waits={EMAIL: {nine: 100, eight: 150}, SMS: {eight: 20}}, start=NOW
    )

    # Fifty e-mails go out at once, and all SMS within ten seconds after eight.
    assert (found.at_once, found.waiting) == (50, 270)
    assert (found.first, found.last, found.done) == (eight, nine, nine + timedelta(seconds=10))


def test_what_is_slow_goes_on_after_the_next_are_due() -> None:
    measured(email=1)
    soon = NOW + timedelta(seconds=30)

    found = estimates.duration(sends={EMAIL: 100}, waits={EMAIL: {soon: 40}}, start=NOW)

    assert found.done == NOW + timedelta(seconds=100)


def test_where_nobody_waits_there_is_no_such_time() -> None:
    found = estimates.duration(sends={EMAIL: 100}, waits={EMAIL: {}}, start=NOW)

    assert (found.at_once, found.waiting, found.first, found.done) == (100, 0, None, None)


# --- Segments ---------------------------------------------------------------------------------------------------------
def test_a_text_that_is_the_same_for_everybody_is_exact_and_looks_at_nobody() -> None:
    topic = a_topic()

    with CaptureQueriesContext(connection) as queries:
        found = estimates.segments(text="y" * 161 + "{{ topic }}", topic=topic, recipients=1_000_000)

    assert (found.total, found.longest, found.is_exact) == (2_000_000, 2, True)
    assert len(queries) == 0


def test_for_few_recipients_each_name_is_looked_at() -> None:
    a_client(first_name="Ann", last_name="Example", listings="sms")
    a_client(first_name="Annabella", last_name="Example", listings="sms")
    a_client(first_name="Bartholomew", last_name="Example", listings="email")

    found = estimates.segments(text=BRINK, topic=a_topic(), recipients=2)

    assert (found.total, found.longest, found.measured, found.is_exact) == (3, 2, 2, True)


def test_one_name_in_another_script_makes_its_sms_longer_and_is_counted() -> None:
    a_client(name="Ann", listings="sms")
    a_client(name="Zoë Łukasz", listings="sms")

    found = estimates.segments(text="x" * 100 + "{{ name }}", topic=a_topic(), recipients=2)

    assert (found.total, found.longest) == (3, 2)


def test_for_a_part_of_the_recipients_the_average_of_all_tells_it() -> None:
    """Such as those whom the frequency cap leaves."""
    for first_name in ("Ann", "Bea", "Annabella", "Bartholomew"):
        a_client(first_name=first_name, listings="sms")

    found = estimates.segments(text=BRINK, topic=a_topic(), recipients=2)

    assert (found.total, found.longest, found.measured, found.is_exact) == (3, 2, 4, False)


def test_more_kinds_of_names_than_are_rendered_are_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_shapes, "MAX_SHAPES", 1)
    for first_name in ("Ann", "Bea", "Annabella"):
        a_client(first_name=first_name, listings="sms")

    found = estimates.segments(text=BRINK, topic=a_topic(), recipients=3)

    assert (found.total, found.longest, found.measured, found.is_exact) == (3, 1, 2, False)


def test_whoever_has_no_value_and_no_fallback_is_not_counted_and_a_fallback_counts_with_its_length() -> None:
    a_client(name="Cher", listings="sms")
    a_client(first_name="Ann", last_name="Lee", listings="sms")

    without = estimates.segments(text=BRINK, topic=a_topic(), recipients=1)
    given = estimates.segments(text=BRINK.replace("e }}", 'e | "there" }}'), topic=a_topic(), recipients=2)

    assert (without.total, without.is_exact) == (1, True)
    assert (given.total, given.longest, given.is_exact) == (3, 2, True)


_LETTERS = st.text(alphabet="ab éÄ€{}[]^\\~|-'\"ł中’😀🏡", max_size=8).map(str.strip)
_PIECES = st.lists(
    st.sampled_from(
        [
            "{{ name }}",
            '{{ first_name | "there" }}',
            "{{ last_name | 'x' }}",
            '{{ last_name | "dear ł" }}',
            "{{ first_name }}",
        ]
    )
    | st.sampled_from(["€", "😀", "ł", "a" * 60, "b" * 153, "word "]),
    min_size=1,
    max_size=6,
).map("".join)


@h_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(clients=st.lists(st.tuples(_LETTERS, _LETTERS), min_size=1, max_size=5), text=_PIECES)
def test_what_the_database_counts_is_what_the_rendered_texts_have(clients: list[tuple[str, str]], text: str) -> None:
    Client.objects.all().delete()
    made = [a_client(name="Cher Ł", first_name=first, last_name=last, listings="sms") for first, last in clients]
    topic, needed = a_topic(), placeholders.needed(text)
    values = [client_values.of_client(client, topic=topic.name) for client in made]
    sent = [placeholders.sms(text, one) for one in values if all(one[key] for key in needed)]

    found = estimates.segments(text=text, topic=topic, recipients=len(sent))

    assert found.is_exact
    assert found.total == sum(sms_segments.measure(one).segments for one in sent)


def test_only_those_who_get_it_are_looked_at() -> None:
    a_client(first_name="Ann", last_name="Example", listings="sms")
    left_out = a_client(first_name="Annabella", last_name="Example", listings="sms")

    found = estimates.segments(text=BRINK, topic=a_topic(), recipients=1, only=[~Q(client=left_out.pk)])

    assert (found.total, found.longest, found.measured, found.is_exact) == (1, 1, 1, True)


@pytest.mark.parametrize(("text", "recipients"), [("", 5), ("Hello {{ name }}", 0)])
def test_without_a_text_or_a_recipient_there_are_none(text: str, recipients: int) -> None:
    found: Any = estimates.segments(text=text, topic=a_topic(), recipients=recipients)

    assert (found.total, found.is_exact) == (0, True)


# --- A last line that says how to end them ----------------------------------------------------------------------------
@pytest.mark.parametrize(("letters", "added"), [(142, 0), (143, 7), (160, 7), (289, 7), (161, 0)])
def test_what_a_line_would_add_to_a_text_for_everybody(letters: int, added: int) -> None:
    """It takes 18 characters, its line's end included."""
    found = estimates.segments(text="x" * letters, topic=a_topic(), recipients=7)

    assert found.stop_line == added


def test_what_a_line_would_add_is_told_from_the_same_names() -> None:
    for name in ("Ann", "Annabella"):
        a_client(first_name=name, listings="sms")

    found = estimates.segments(text="x" * 139 + "{{ first_name }}", topic=a_topic(), recipients=2)

    assert (found.total, found.stop_line) == (2, 1)


def test_the_line_that_each_has_is_counted_and_adds_nothing_more(settings: Settings) -> None:
    settings.SMS_STOP_LINE = "Reply STOP to end"

    # It is in the language of each.
    for language in (None, None, None, None, "en", "tlh", "de"):
        a_client(listings="sms", language=language)

    found = estimates.segments(text="x" * 160, topic=a_topic(), recipients=7)

    assert (found.total, found.longest, found.stop_line) == (14, 2, None)


def test_it_costs_the_same_few_queries_however_many_get_it() -> None:
    for _ in range(20):
        a_client(listings="sms")

    with CaptureQueriesContext(connection) as queries:
        estimates.segments(text=BRINK, topic=a_topic(), recipients=20)

    # One counts; the others are PostgreSQL's, which is told to go along the indexes.
    assert len(queries) <= 6


# --- A provider's limit -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("lately", "limit", "rate", "limited"), [(10, 4.0, 4, [EMAIL]), (10, 40.0, 10, []), (None, 4.0, 4, [EMAIL])]
)
def test_no_faster_than_the_provider_may_be_given_messages(
    settings: Settings, lately: float | None, limit: float, rate: float, limited: list[Channel]
) -> None:
    settings.RATES = {"email": limit, "sms": None}
    if lately:
        measured(email=lately)

    found = estimates.duration(sends={EMAIL: 100})

    assert (found.rates, found.limited, found.unknown) == ({EMAIL: rate}, limited, [])
    assert found.time == timedelta(seconds=100 / rate)


# --- By language ------------------------------------------------------------------------------------------------------
def test_each_language_is_counted_with_its_own_text_and_last_line(settings: Settings) -> None:
    settings.SMS_STOP_LINE = "Reply STOP to end"
    for language in ("de", "de", "fr", None, "es", "tlh"):
        a_client(listings="sms", language=language)
    a_client(listings="email", language="de")

    found = estimates.segments(text="x" * 142, topic=a_topic(), recipients=6, others={"de": "y" * 400, "fr": "z" * 130})

    # German: 3 each. French: 130 and its line of 27 is 1. The others have the default text: English 160 is 1, Spanish
    # with its longer line 2; Klingon is not offered.
    assert (found.total, found.longest, found.is_exact) == (2 * 3 + 1 + 1 + 2 + 1, 3, True)


def test_of_those_whom_a_cap_leaves_out_the_languages_are_not_known() -> None:
    for language in ("de", None, None, None):
        a_client(listings="sms", language=language)

    found = estimates.segments(text="x", topic=a_topic(), recipients=2, others={"de": "y" * 200})

    # Half of 1 × 2 + 3 × 1.
    assert (found.total, found.is_exact) == (2, False)


def test_names_are_sampled_among_those_who_read_the_language() -> None:
    a_client(name="Bo", listings="sms")
    a_client(name="Wolfeschlegelsteinhausenbergerdorff", listings="sms", language="de")

    found = estimates.segments(text="x", topic=a_topic(), recipients=2, others={"de": "y" * 130 + "{{ name }}"})

    assert (found.total, found.is_exact) == (3, True)


def test_each_language_is_exact_with_values_of_its_own_readers() -> None:
    a_client(first_name="n" * 20, listings="sms", language="de")
    a_client(first_name="Bo", listings="sms", language="de")
    a_client(first_name="n" * 20, listings="sms")
    a_client(name="Cher", listings="sms", language="de")
    german = "y" * 150 + "{{ first_name }}"

    found = estimates.segments(text="x", topic=a_topic(), recipients=3, others={"de": german})

    assert (found.total, found.longest, found.is_exact) == (2 + 1 + 1, 2, True)
