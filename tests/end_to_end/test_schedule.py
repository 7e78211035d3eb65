"""Time with real processes: a broadcast starts by itself, once, and what has expired is not sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.support.checks import books
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack

#: How far ahead a time is: where the machine was so busy that it had passed before it was set, the next is tried.
AHEAD = tuple(timedelta(seconds=seconds) for seconds in (12, 60, 240))


@dataclass(frozen=True)
class Scheduled:
    broadcast: int
    starts_at: datetime
    expires_at: datetime


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def schedule(stack: Stack, notification: int, *, start: float | None = None, expiry: float | None = None) -> Scheduled:
    """Starts and expires after these parts of the time that it looks ahead."""
    for ahead in AHEAD:
        now = datetime.now(UTC)
        starts_at, expires_at = (now + ahead * (part or 0) for part in (start, expiry))
        arguments = [*(["--at", at(starts_at)] if start else []), *(["--expires", at(expires_at)] if expiry else [])]
        done = stack.manage("broadcast", str(notification), *arguments, check=False)
        if done.returncode == 0:
            return Scheduled(int(done.stdout.split()[1]), starts_at, expires_at)
    raise AssertionError(done.stderr)


def wait_for_processes(stack: Stack, number: int) -> None:
    """Until so many are at work."""
    workers = "SELECT COUNT(*) FROM notifier_process"
    wait_until(lambda: stack.query(workers) == [(number,)], what="every process")


def test_it_starts_at_its_time_and_not_before_and_reaches_everybody_once(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product()
    notification = books.a_notification_for_both(stack)
    for command in (["run_dispatcher"], ["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)
    wait_for_processes(stack, 4)
    scheduled = schedule(stack, notification, start=1)
    broadcast, moment = scheduled.broadcast, scheduled.starts_at

    waiting = books.status(stack, broadcast)
    is_before = datetime.now(UTC) < moment
    books.wait_for(stack, broadcast, "FINISHED")

    assert not is_before or (waiting["state"], waiting["total"]) == ("SCHEDULED", 0)
    done = books.status(stack, broadcast)
    assert datetime.fromisoformat(done["started_at"]) >= moment.replace(microsecond=0)
    assert done["balanced"]
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification)


def test_a_dispatcher_killed_as_it_starts_one_loses_nothing(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product()
    notification = books.a_notification_for_both(stack)
    victim = stack.start("run_dispatcher", FAILPOINT="start.committed")
    stack.start("run_consumer", "email")
    stack.start("run_consumer", "sms")
    broadcast = schedule(stack, notification, start=1).broadcast
    wait_until(lambda: not victim.is_running(), what="the dispatcher to die")

    stack.start("run_dispatcher")

    books.wait_for(stack, broadcast, "FINISHED")
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification)


def test_what_has_expired_while_nobody_worked_is_never_sent(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product()
    notification = books.a_notification_for_both(stack)
    scheduled = schedule(stack, notification, start=0.5, expiry=1)
    broadcast = scheduled.broadcast
    wait_until(lambda: datetime.now(UTC) > scheduled.expires_at, what="its time to pass")

    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)

    books.wait_for(stack, broadcast, "CANCELLED")
    wait_until(lambda: bool(books.status(stack, broadcast)["finished_at"]), what="its end")
    assert not books.reached(smtp_process, sms_process)
    assert books.status(stack, broadcast)["ended_because"].endswith("before it started")


def test_one_that_expires_under_way_stops_with_its_books_in_balance(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product(EMAIL_CONCURRENCY="2")
    notification = books.a_notification_for_both(stack)
    # Two at once, half a second each: hundreds of mails outlast the expiry by far.
    smtp_process.behave(Rule(phase="dot", delay=0.5))
    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)
    wait_for_processes(stack, 3)
    broadcast = schedule(stack, notification, expiry=1).broadcast

    books.wait_for(stack, broadcast, "CANCELLED")
    wait_until(lambda: bool(books.status(stack, broadcast)["finished_at"]), what="its end")

    done = books.status(stack, broadcast)
    got = books.reached(smtp_process, sms_process)
    assert done["balanced"]
    assert done["deliveries"]["email"]["CANCELLED"] > 0
    assert max(got.values()) == 1
    assert not got - books.expected(stack, notification)
    assert (
        sum(count for (channel, _), count in got.items() if channel == "email") == done["deliveries"]["email"]["SENT"]
    )
