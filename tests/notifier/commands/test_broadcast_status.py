import json
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from notifier.models import Broadcast
from notifier.progress import sheets
from tests.support.factories import a_broadcast, a_notification, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

HOUR = timedelta(hours=1)


def status(number: int, *arguments: str) -> str:
    output = StringIO()
    call_command("broadcast_status", str(number), *arguments, stdout=output)
    return output.getvalue()


def a_finished_broadcast(now: datetime) -> Broadcast:
    return a_broadcast(
        notification=a_notification(subject="Homes"),
        state=Broadcast.State.FINISHED,
        finished_at=now,
        tally={"audience": 4, "rate": 0.0, "counts": {"email": {"SENT": 2, "FAILED": 1}, "sms": {"SKIPPED": 1}}},
    )


def test_it_tells_the_books_and_the_health_in_words(now: datetime) -> None:
    broadcast = a_finished_broadcast(now)

    lines = status(broadcast.pk).splitlines()

    assert lines[:4] == [
        f"#{broadcast.pk} Homes: finished, topic Listings",
        "  E-mail: 3 of 3 processed (1 FAILED, 2 SENT)",
        "  SMS: 1 of 1 processed (1 SKIPPED)",
        "  Audience: 4",
    ]
    assert "  Dispatcher: No dispatcher is running. Start one with: python manage.py run_dispatcher" in lines


def test_before_anything_happened_it_says_so() -> None:
    said = status(a_broadcast().pk)

    assert "E-mail: 0 of 0 processed (none yet)" in said


def test_books_that_do_not_balance_are_told() -> None:
    broadcast = a_broadcast(tally={"audience": 2, "counts": {"email": {"SENT": 1}}})

    assert "Audience: 2. The numbers don’t add up: 1 counted" in status(broadcast.pk)


def test_one_that_has_not_begun_says_when_it_starts_and_expires(now: datetime) -> None:
    moment = datetime.fromisoformat("2099-01-02T16:00:00+00:00")
    broadcast = a_broadcast(state="SCHEDULED", started_at=None, scheduled_for=moment, expires_at=moment + HOUR)

    lines = status(broadcast.pk).splitlines()

    assert lines[0].endswith(": scheduled for 2 Jan 2099, 16:00 UTC, topic Listings")
    assert lines[1:3] == ["  starts 2 Jan 2099, 16:00 UTC", "  expires 2 Jan 2099, 17:00 UTC"]


def test_one_that_awaits_approval_says_whose_it_is_and_a_rejected_one_why() -> None:
    waiting = a_broadcast(state="AWAITING_APPROVAL", started_at=None, created_by=a_user(username="ann"))
    rejected = a_broadcast(state="CANCELLED", started_at=None, ended_because="rejected by bob: a misprint")

    assert "  created by ann, " in status(waiting.pk)
    assert "  cancelled: rejected by bob: a misprint\n" in status(rejected.pk)


def test_the_json_is_what_the_broadcast_command_prints(now: datetime) -> None:
    broadcast = a_finished_broadcast(now)

    said = status(broadcast.pk, "--json")

    assert len(said.splitlines()) == 1
    assert json.loads(said) == sheets.as_json(Broadcast.objects.get())
    assert list(json.loads(said)) == [
        "id",
        "state",
        "topic",
        "deliveries",
        "total",
        "balanced",
        "started_at",
        "finished_at",
    ]


def test_what_failed_is_no_failure_of_the_question(now: datetime) -> None:
    status(a_finished_broadcast(now).pk, "--json")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_broadcast_that_is_not_there_is_told_in_one_line(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"^There is no broadcast 4711\.$"):
        status(4711, *arguments)
