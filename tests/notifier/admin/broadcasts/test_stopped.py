from datetime import datetime, timedelta

import pytest

from notifier.admin.broadcasts import stopped
from notifier.models import Channel, Process
from tests.support.factories import an_open_breaker, processes_at_work

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
AFTER = " Nothing is lost: messages go out after that."


def test_where_all_works_there_is_nothing_to_say(now: datetime) -> None:
    processes_at_work(now)

    assert stopped.find(channels=Channel, now=now) == {}


def test_a_channel_without_a_consumer_says_whom_to_ask(now: datetime) -> None:
    processes_at_work(now)
    Process.objects.filter(channel=SMS).delete()

    line = f"SMS stopped: no consumer is running. Ask your administrator to start one.{AFTER}"
    assert stopped.find(channels=Channel, now=now) == {SMS: line}
    assert stopped.find(channels=[EMAIL], now=now) == {}


def test_a_channel_that_was_paused_automatically_resumes_automatically(now: datetime) -> None:
    processes_at_work(now)
    an_open_breaker(now=now, channel=EMAIL)

    line = (
        "E-mail stopped: paused automatically. It is tried again automatically, and “Try again now” is on the "
        f"overview.{AFTER}"
    )
    assert stopped.find(channels=Channel, now=now) == {EMAIL: line}


def test_what_stops_all_of_them_is_the_same_line_for_each(now: datetime) -> None:
    line = f"Sending stopped: no dispatcher is running. Ask your administrator to start one.{AFTER}"

    assert stopped.find(channels=Channel, now=now) == {EMAIL: line, SMS: line}


def test_a_dispatcher_that_can_not_reach_its_queue_is_for_the_administrator(now: datetime) -> None:
    processes_at_work(now)
    Process.objects.filter(kind="DISPATCHER").update(state=Process.State.WAITING, detail="refused")

    line = f"E-mail stopped: Queue in the database can’t be used. Ask your administrator to fix it.{AFTER}"
    assert stopped.find(channels=[EMAIL], now=now + timedelta(seconds=1)) == {EMAIL: line}


def test_lines_are_of_the_channels_that_are_used_and_each_stands_once(now: datetime) -> None:
    assert len(stopped.lines({EMAIL: 3, SMS: 1}, now=now)) == 1
    processes_at_work(now)
    Process.objects.filter(channel=SMS).delete()

    assert stopped.lines({EMAIL: 3, SMS: 0}, now=now) == []
    assert len(stopped.lines({EMAIL: 3, SMS: 1}, now=now)) == 1
