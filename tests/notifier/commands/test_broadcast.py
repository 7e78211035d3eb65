import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from notifier.broadcasts import lifecycle
from notifier.management.commands import broadcast as command
from notifier.models import Broadcast, Delivery, Notification, Process, SavedAudience
from notifier.runtime import clock
from notifier.saved_audiences.document import Line
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_saved_audience, a_user
from tests.support.servers.stack import Stack

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State


def broadcast(notification: Notification | int, *arguments: str) -> str:
    output = StringIO()
    number = notification if isinstance(notification, int) else notification.pk
    call_command("broadcast", str(number), *arguments, stdout=output, stderr=StringIO())
    return output.getvalue().strip()


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """What happens while the command waits for its next look; `meanwhile(finish)`."""

    def set_what_happens(happens: Callable[[], object]) -> None:
        monkeypatch.setattr(command, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: happens()))

    return set_what_happens


def ends_with(**counts: dict[str, int]) -> Callable[[], object]:
    """The dispatcher's last word on the only broadcast."""
    total = sum(number for states in counts.values() for number in states.values())
    return lambda: Broadcast.objects.update(
        state=Broadcast.State.FINISHED,
        finished_at=timezone.now(),
        tally={"audience": total, "rate": 0.0, "counts": counts},
    )


# --- To an audience ---------------------------------------------------------------------------------------------------
def test_it_goes_to_the_audience_of_that_name() -> None:
    audience = a_saved_audience(Line("time_zone", "known"), name="Abroad")

    broadcast(a_notification(), "--audience", "ABROAD ")

    assert Broadcast.objects.get().saved_audience == audience


def test_an_audience_that_is_not_there_or_not_readable_is_told_of() -> None:
    notification = a_notification()
    a_saved_audience(Line("time_zone", "known"), name="Abroad")
    SavedAudience.objects.update(document={"version": 3})

    with pytest.raises(CommandError, match="There is no audience “Nobody”"):
        broadcast(notification, "--audience", "Nobody")
    with pytest.raises(CommandError, match="saved in version 3"):
        broadcast(notification, "--audience", "Abroad")

    assert not Broadcast.objects.exists()


# --- The start --------------------------------------------------------------------------------------------------------
def test_it_starts_a_broadcast_as_the_button_does() -> None:
    newest = a_client(listings="both")
    notification = a_notification(subject="Homes")

    said = broadcast(notification)

    made = Broadcast.objects.get()
    assert (made.notification, made.subject, made.audience_upto) == (notification, "Homes", newest.pk)
    assert (made.state, made.created_by) == (Broadcast.State.RUNNING, None)
    assert said == f"Broadcast {made.pk} is being sent. E-mail: -; SMS: -."


def test_a_notification_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(CommandError, match=r"^There is no notification 4711\.$"):
        broadcast(4711)


def test_one_sent_a_short_while_ago_needs_a_word() -> None:
    notification = a_notification(subject="Homes")
    earlier = a_broadcast(notification=notification, created_by=a_user(username="ann"))

    with pytest.raises(CommandError) as caught:
        broadcast(notification)

    assert str(caught.value).startswith(f"Sent recently: #{earlier.pk} Homes by ann")
    assert str(caught.value).endswith("Add --again to send it once more.")
    assert Broadcast.objects.count() == 1

    broadcast(notification, "--again")
    assert Broadcast.objects.count() == 2


@pytest.mark.parametrize(("text", "utc"), [("2099-01-02T16:00", "16:00"), ("2099-01-02T16:00+02:00", "14:00")])
def test_it_starts_at_a_time_in_the_servers_zone_or_in_another(text: str, utc: str) -> None:
    said = broadcast(a_notification(), "--at", text, "--expires", "2099-01-03T00:00")

    made = Broadcast.objects.get()
    assert (made.state, made.started_at) == (Broadcast.State.SCHEDULED, None)
    assert f"{made.scheduled_for:%H:%M %d}" == f"{utc} 02"
    assert f"{made.expires_at:%H:%M %d}" == "00:00 03"
    told = f"Broadcast {made.pk} is scheduled for 2 Jan 2099, {utc} UTC. It expires 3 Jan 2099, 00:00 UTC."
    assert said.startswith(told)


def test_its_help_names_the_zone_in_which_a_time_is_read() -> None:
    with timezone.override("Europe/London"):
        told = " ".join(command.Command().create_parser("manage.py", "broadcast").format_help().split())

    assert told.count("(Europe/London)") == 2


@pytest.mark.parametrize("name", ["--at", "--expires"])
def test_a_time_that_has_passed_sends_nothing(name: str) -> None:
    with pytest.raises(CommandError, match="This time has passed"):
        broadcast(a_notification(), name, "2001-01-01T00:00")

    assert not Broadcast.objects.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tomorrow", "“tomorrow” is not a date and time. Write it like 2026-11-24T16:00"),
        ("2099-13-01T00:00", "is not a date and time"),
        ("9999-12-31T23:59-12:00", "“9999-12-31T23:59-12:00” is too far away: write a year from 1900 to 2999"),
        ("2099-03-29T01:30", "does not exist in Europe/London, because the clocks change"),
        ("2099-10-25T01:30", "occurs twice in Europe/London: write 2099-10-25T01:30+01:00 or 2099-10-25T01:30+00:00"),
    ],
)
@pytest.mark.parametrize("name", ["--at", "--expires"])
def test_a_time_that_is_none_or_two_sends_nothing_and_is_told_apart(name: str, text: str, said: str) -> None:
    with timezone.override("Europe/London"), pytest.raises(CommandError) as refused:
        broadcast(a_notification(), name, text)

    assert f"argument {name}: " in str(refused.value)
    assert said in str(refused.value)
    assert "_moment" not in str(refused.value)
    assert not Broadcast.objects.exists()


@pytest.mark.parametrize(("offset", "zone"), [("+01:00", "BST"), ("+00:00", "GMT")])
def test_an_hour_that_comes_twice_is_taken_with_its_offset_and_shown_with_its_zone(offset: str, zone: str) -> None:
    with timezone.override("Europe/London"):
        said = broadcast(a_notification(), "--at", f"2099-10-25T01:30{offset}")

    assert f"scheduled for 25 Oct 2099, 01:30 {zone}." in said


def test_the_command_line_needs_nobodys_approval(settings: Any) -> None:
    settings.APPROVAL_ABOVE = 0
    a_client(listings="both")

    broadcast(a_notification())

    assert Broadcast.objects.get().state == Broadcast.State.RUNNING


# --- The end ----------------------------------------------------------------------------------------------------------
def test_with_wait_it_tells_the_end(meanwhile: Callable[[Callable[[], object]], None]) -> None:
    meanwhile(ends_with(email={"SENT": 2, "SKIPPED": 1}, sms={"SENT": 1}))

    said = broadcast(a_notification(), "--wait")

    number = Broadcast.objects.get().pk
    assert said == f"Broadcast {number} is finished. E-mail: 2 SENT, 1 SKIPPED; SMS: 1 SENT."


def test_the_json_is_one_line_of_the_documented_shape(meanwhile: Callable[[Callable[[], object]], None]) -> None:
    meanwhile(ends_with(email={"SENT": 2}, sms={"SENT": 1}))

    said = broadcast(a_notification(), "--wait", "--json")

    made = Broadcast.objects.get()
    assert len(said.splitlines()) == 1
    assert json.loads(said) == {
        "id": made.pk,
        "state": "FINISHED",
        "topic": "listings",
        "deliveries": {"email": {"SENT": 2}, "sms": {"SENT": 1}},
        "total": 3,
        "balanced": True,
        "started_at": made.started_at.isoformat() if made.started_at else "",
        "finished_at": made.finished_at.isoformat() if made.finished_at else "",
    }


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"email": {"SENT": 5, "FAILED": 1}}, "1 failed, 0 unknown."),
        ({"email": {"SENT": 5}, "sms": {"UNKNOWN": 2}}, "0 failed, 2 unknown."),
    ],
)
def test_if_anything_failed_or_is_unknown_the_status_says_so(
    meanwhile: Callable[[Callable[[], object]], None],
    counts: dict[str, dict[str, int]],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    meanwhile(ends_with(**counts))

    with pytest.raises(CommandError) as caught:
        call_command("broadcast", str(a_notification().pk), "--wait", "--json")

    assert (str(caught.value), caught.value.returncode) == (words, 1)
    assert json.loads(capsys.readouterr().out)["deliveries"]["email"] == counts["email"]


def test_a_pause_ends_the_wait(meanwhile: Callable[[Callable[[], object]], None]) -> None:
    meanwhile(lambda: lifecycle.pause(broadcast_id=Broadcast.objects.get().pk, now=clock.now()))

    with pytest.raises(CommandError, match="It was paused before it was finished") as caught:
        broadcast(a_notification(), "--wait")

    assert caught.value.returncode == 1


def test_a_cancel_ends_the_wait_once_its_books_are_closed(meanwhile: Callable[[Callable[[], object]], None]) -> None:
    happens: Iterator[Callable[[], object]] = iter(
        [
            lambda: Broadcast.objects.update(state=Broadcast.State.CANCELLED),
            lambda: Broadcast.objects.update(
                finished_at=timezone.now(), tally={"audience": 1, "counts": {"sms": {"CANCELLED": 1}}}
            ),
        ]
    )
    meanwhile(lambda: next(happens)())

    with pytest.raises(CommandError, match="It was cancelled before it was finished") as caught:
        broadcast(a_notification(), "--wait")

    assert caught.value.returncode == 1
    assert Broadcast.objects.get().tally["counts"] == {"sms": {"CANCELLED": 1}}


# --- Nobody works -----------------------------------------------------------------------------------------------------
@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(command, "POLL_SECONDS", 0)


def a_worker(kind: Process.Kind, **fields: Any) -> Process:
    now = timezone.now()
    return Process.objects.create(kind=kind, host="h", pid=1, started_at=now, last_seen_at=now, **fields)


@pytest.mark.usefixtures("impatient")
def test_without_a_dispatcher_the_wait_ends_with_what_to_start() -> None:
    with pytest.raises(CommandError) as caught:
        broadcast(a_notification(), "--wait")

    number = Broadcast.objects.get().pk
    assert str(caught.value).startswith(f"Broadcast {number} is saved and continues later. No dispatcher is running.")
    assert "python manage.py run_consumer sms" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.returncode == 2


@pytest.mark.usefixtures("impatient")
def test_with_the_broker_away_the_wait_ends_with_the_reason() -> None:
    a_worker(Process.Kind.DISPATCHER, state=Process.State.WAITING, detail="RabbitMQ at broker can’t be used: refused")
    for channel in ("email", "sms"):
        a_worker(Process.Kind.CONSUMER, channel=channel)

    with pytest.raises(CommandError, match=r"continues later\. RabbitMQ at broker can’t be used: refused$"):
        broadcast(a_notification(), "--wait")


@pytest.mark.usefixtures("impatient")
def test_a_consumer_of_a_channel_that_it_does_not_use_is_not_missed(
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    a_worker(Process.Kind.DISPATCHER, state=Process.State.WORKING)
    a_worker(Process.Kind.CONSUMER, channel="email")
    looks = iter([lambda: None, lambda: None, ends_with(email={"SENT": 1})])
    meanwhile(lambda: next(looks)())

    assert "is finished" in broadcast(a_notification(sms_body=""), "--wait")


def test_a_short_trouble_is_waited_out(meanwhile: Callable[[Callable[[], object]], None]) -> None:
    looks = iter([lambda: None, lambda: None, ends_with(email={"SENT": 1})])
    meanwhile(lambda: next(looks)())

    assert "is finished" in broadcast(a_notification(), "--wait")


# --- As a process -----------------------------------------------------------------------------------------------------
def test_the_statuses_of_the_process(make_stack: Callable[..., Stack], request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres_url") if connection.vendor == "postgresql" else ""
    stack = make_stack(database_url=url)
    stack.manage("load_demo", "--clients", "20")
    number = str(stack.query("SELECT MIN(id) FROM notifier_notification")[0][0])

    missing = stack.manage("broadcast", "4711", check=False)
    assert (missing.returncode, missing.stdout, missing.stderr) == (
        1,
        "",
        "CommandError: There is no notification 4711.\n",
    )

    for arguments in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*arguments)
    sent = stack.manage("broadcast", number, "--wait", "--json")
    books = json.loads(sent.stdout)
    assert (books["state"], books["balanced"]) == ("FINISHED", True)
    assert books["total"] == sum(stack.states().values()) > 10

    again = stack.manage("broadcast", number, check=False)
    assert again.returncode == 1
    assert "Add --again" in again.stderr
    assert "Traceback" not in again.stderr
    assert stack.stop_all() == [0, 0, 0]


def test_deliveries_of_earlier_broadcasts_do_not_count_as_failed(
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    a_delivery(
        state=State.FAILED,
        broadcast=a_broadcast(
            notification=(notification := a_notification()),
            state=Broadcast.State.FINISHED,
            started_at=timezone.now() - timedelta(days=1),
            finished_at=timezone.now() - timedelta(days=1),
            tally={"audience": 1, "counts": {"email": {"FAILED": 1}}},
        ),
    )

    assert "is being sent" in broadcast(notification)


@pytest.mark.parametrize(("arguments", "is_critical"), [((), False), (("--critical",), True)])
def test_it_is_critical_where_that_is_said(arguments: tuple[str, ...], is_critical: bool) -> None:
    broadcast(a_notification(), *arguments)

    assert Broadcast.objects.get().is_critical == is_critical
