from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from notifier.models import Channel, Process
from notifier.overview import process_health
from notifier.overview.process_health import Health
from notifier.runtime import heartbeats
from notifier.staff import groups
from tests.support.factories import an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)


def a_worker(kind: Process.Kind, now: datetime, **fields: Any) -> Process:
    values = {"host": "h", "pid": 1, "started_at": now, "last_seen_at": now, "state": Process.State.IDLE}
    return Process.objects.create(kind=kind, **values | fields)


def health(now: datetime, *channels: Channel) -> dict[str, Health]:
    return {part.part: part for part in process_health.health(channels=channels, now=now)}


def test_with_nothing_running_each_part_says_how_to_start_it(now: datetime) -> None:
    found = process_health.health(channels=Channel, now=now)

    assert found == [
        Health("Dispatcher", False, "No dispatcher is running. Start one with: python manage.py run_dispatcher"),
        Health("Queue in the database", False, "Not known: only a running dispatcher checks it."),
        Health(
            "E-mail consumers",
            False,
            "No e-mail consumer is running. Start one with: python manage.py run_consumer email",
        ),
        Health("SMS consumers", False, "No SMS consumer is running. Start one with: python manage.py run_consumer sms"),
    ]


def test_a_command_is_only_for_those_who_look_after_the_processes(now: datetime) -> None:
    found = process_health.health(channels=[SMS], now=now)

    assert process_health.for_reader(found, may=lambda permission: True) == found
    told = process_health.for_reader(found, may=lambda permission: permission != groups.VIEW_PROCESS)
    assert [(part.words, part.command) for part in told] == [
        ("No dispatcher is running. Ask your administrator to start one.", ""),
        ("Not known: only a running dispatcher checks it.", ""),
        ("No SMS consumer is running. Ask your administrator to start one.", ""),
    ]
    assert process_health.stalled(told) == process_health.stalled(found)


def test_with_everything_running_all_is_well(now: datetime) -> None:
    a_worker(Process.Kind.DISPATCHER, now, state=Process.State.WORKING, depths={"email": 2, "sms": 1})
    a_worker(Process.Kind.CONSUMER, now, channel="email")
    a_worker(Process.Kind.CONSUMER, now, channel="email")
    a_worker(Process.Kind.CONSUMER, now, channel="sms")

    assert process_health.health(channels=Channel, now=now) == [
        Health("Dispatcher", True, "1 running"),
        Health("Queue in the database", True, "Reachable, 3 tickets waiting"),
        Health("E-mail consumers", True, "2 running"),
        Health("SMS consumers", True, "1 running"),
    ]


def test_only_the_channels_of_the_broadcast_are_looked_at(now: datetime) -> None:
    assert set(health(now, SMS)) == {"Dispatcher", "Queue in the database", "SMS consumers"}


def test_a_process_that_fell_silent_is_not_running(now: datetime) -> None:
    a_worker(Process.Kind.CONSUMER, now, channel="sms", last_seen_at=now - timedelta(seconds=16))

    assert not health(now, SMS)["SMS consumers"].ok


def test_a_broker_that_is_away_is_told_in_the_dispatchers_words(now: datetime, settings: Settings) -> None:
    settings.BROKER_URL = "amqp://guest:secret@broker/"
    a_worker(Process.Kind.DISPATCHER, now, state=Process.State.WAITING, detail="RabbitMQ at broker can’t be used: gone")

    assert health(now)["RabbitMQ"] == Health("RabbitMQ", False, "RabbitMQ at broker can’t be used: gone")
    assert health(now)["Dispatcher"].ok


def test_a_dispatcher_that_waits_for_the_database_does_not_blame_the_broker(now: datetime) -> None:
    a_worker(Process.Kind.DISPATCHER, now, state=Process.State.WAITING, detail=heartbeats.HANGS)

    assert health(now)["Dispatcher"] == Health("Dispatcher", False, heartbeats.HANGS)
    assert health(now)["Queue in the database"].ok
    a_worker(Process.Kind.DISPATCHER, now)
    assert health(now)["Dispatcher"] == Health("Dispatcher", True, "2 running")


def test_the_depth_is_the_newest_dispatchers(now: datetime) -> None:
    a_worker(Process.Kind.DISPATCHER, now, last_seen_at=now - SECOND, depths={"email": 9})
    a_worker(Process.Kind.DISPATCHER, now, depths={"email": 1, "sms": 0})

    assert health(now)["Queue in the database"].words == "Reachable, 1 ticket waiting"


def test_dead_letters_are_counted_apart_from_those_that_wait(now: datetime) -> None:
    assert process_health.dead_letters(now=now) == 0
    a_worker(Process.Kind.DISPATCHER, now, last_seen_at=now - SECOND, depths={"email": 9, "dead": 9})
    a_worker(Process.Kind.DISPATCHER, now, depths={"email": 1, "sms": 0, "dead": 2})
    a_worker(Process.Kind.CONSUMER, now, channel="email", last_seen_at=now + SECOND)

    assert process_health.dead_letters(now=now) == 2
    assert health(now)["Queue in the database"].words == "Reachable, 1 ticket waiting"


def test_of_a_dispatcher_that_fell_silent_no_dead_letter_is_told(now: datetime) -> None:
    a_worker(Process.Kind.DISPATCHER, now, last_seen_at=now - timedelta(seconds=16), depths={"dead": 2})

    assert process_health.dead_letters(now=now) == 0


def test_consumers_that_all_wait_say_for_what(now: datetime) -> None:
    a_worker(
        Process.Kind.CONSUMER, now, channel="email", state=Process.State.WAITING, detail="E-mail: connection refused"
    )
    assert health(now, EMAIL)["E-mail consumers"] == Health("E-mail consumers", False, "E-mail: connection refused")

    a_worker(Process.Kind.CONSUMER, now, channel="email", state=Process.State.WORKING)
    assert health(now, EMAIL)["E-mail consumers"] == Health("E-mail consumers", True, "2 running")


def test_a_channel_that_paused_itself_says_since_when_why_and_what_comes_next(
    now: datetime, settings: Settings
) -> None:
    settings.TIME_ZONE = "UTC"
    opened_at = now.replace(hour=14, minute=2, second=3)
    an_open_breaker(now=opened_at, opened_at=opened_at, probe_at=opened_at + 30 * SECOND, detail="451 try\nlater.")

    part = health(opened_at + SECOND, EMAIL, SMS)["E-mail"]

    assert part == Health(
        "E-mail",
        False,
        "E-mail was paused automatically at 14:02 UTC: 18 of the last 20 sends failed (451 try later). A single "
        "message is tried at 14:02:33 UTC. Once one succeeds, sending resumes automatically.",
        paused=EMAIL,
    )


@pytest.mark.parametrize(("probes", "tries"), [(1, "1 attempt"), (4, "4 attempts")])
def test_a_pause_that_lasts_says_what_the_newest_try_found(now: datetime, probes: int, tries: str) -> None:
    an_open_breaker(now=now, probes=probes, detail="452 still full", opened_at=now - timedelta(days=3))

    words = health(now, EMAIL)["E-mail"].words

    assert f"18 of the last 20 sends failed, and {tries} since then failed too (452 still full)." in words
    assert f"at {(now - timedelta(days=3)).day} " in words
    assert "A single message is tried as soon as one is due." in words


def test_a_provider_that_said_nothing_is_quoted_with_nothing(now: datetime) -> None:
    an_open_breaker(now=now, detail="")

    assert "sends failed. A single" in health(now, EMAIL)["E-mail"].words


def test_only_channels_of_the_broadcast_tell_that_they_paused(now: datetime) -> None:
    an_open_breaker(now=now, channel="sms")

    assert "SMS" in health(now, EMAIL, SMS)
    assert "SMS" not in health(now, EMAIL)


def test_a_channel_that_goes_on_again_tells_nothing(now: datetime) -> None:
    an_open_breaker(now=now, opened_at=None)

    assert "E-mail" not in health(now, EMAIL)


# --- What stops ------------------------------------------------------------------------------------------------------
def test_a_channel_without_a_consumer_stands_still_and_the_other_does_not(now: datetime) -> None:
    a_worker(Process.Kind.DISPATCHER, now)
    a_worker(Process.Kind.CONSUMER, now, channel="email")

    found = process_health.health(channels=Channel, now=now)

    assert process_health.stalled(found) == {Channel.SMS: "no consumer is running"}


def test_without_a_dispatcher_everything_stands_still(now: datetime) -> None:
    a_worker(Process.Kind.CONSUMER, now, channel="email")

    found = process_health.health(channels=Channel, now=now)

    assert process_health.stalled(found) == dict.fromkeys(Channel, "no dispatcher is running")


def test_a_channel_that_paused_itself_stands_still_for_that(now: datetime) -> None:
    a_worker(Process.Kind.DISPATCHER, now)
    a_worker(Process.Kind.CONSUMER, now, channel="email")
    an_open_breaker(now=now)

    found = process_health.health(channels=[Channel.EMAIL], now=now)

    assert process_health.stalled(found) == {Channel.EMAIL: "paused automatically"}


def test_where_all_works_nothing_stands_still(now: datetime) -> None:
    a_worker(Process.Kind.DISPATCHER, now)
    for channel in Channel:
        a_worker(Process.Kind.CONSUMER, now, channel=channel.value)

    assert process_health.stalled(process_health.health(channels=Channel, now=now)) == {}


def test_a_broker_that_only_one_of_two_dispatchers_can_use_stops_nothing(now: datetime) -> None:
    a_worker(Process.Kind.DISPATCHER, now, state=Process.State.WAITING, detail="RabbitMQ can’t be reached")
    for channel in Channel:
        a_worker(Process.Kind.CONSUMER, now, channel=channel.value)
    found = process_health.health(channels=Channel, now=now)
    assert set(process_health.stalled(found)) == set(Channel)

    a_worker(Process.Kind.DISPATCHER, now)

    assert process_health.stalled(process_health.health(channels=Channel, now=now)) == {}
