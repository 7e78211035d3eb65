"""Time with real processes: a broadcast starts by itself, once, and what has expired is not sent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.support import books
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack

#: Far enough for the processes to be up before it, on a busy machine as well.
AHEAD = timedelta(seconds=12)


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def schedule(stack: Stack, notification: int, *arguments: str) -> int:
    said = stack.manage("broadcast", str(notification), *arguments).stdout
    return int(said.split()[1])


def test_it_starts_at_its_time_and_not_before_and_reaches_everybody_once(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product()
    notification = books.a_notification_for_both(stack)
    for command in (["run_dispatcher"], ["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)
    moment = datetime.now(UTC) + AHEAD
    broadcast = schedule(stack, notification, "--at", at(moment))

    waiting = books.status(stack, broadcast)
    books.wait_for(stack, broadcast, "FINISHED", deadline=120)

    assert (waiting["state"], waiting["total"]) == ("SCHEDULED", 0)
    done = books.status(stack, broadcast)
    late = datetime.fromisoformat(done["started_at"]) - moment.replace(microsecond=0)
    assert timedelta() <= late < timedelta(seconds=30)
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
    broadcast = schedule(stack, notification, "--at", at(datetime.now(UTC) + AHEAD))
    wait_until(lambda: not victim.is_running(), deadline=120, what="the dispatcher to die")

    stack.start("run_dispatcher")

    books.wait_for(stack, broadcast, "FINISHED", deadline=120)
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification)


def test_what_has_expired_while_nobody_worked_is_never_sent(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product()
    notification = books.a_notification_for_both(stack)
    now = datetime.now(UTC)
    expiry = now + AHEAD
    broadcast = schedule(stack, notification, "--at", at(now + AHEAD / 2), "--expires", at(expiry))
    wait_until(lambda: datetime.now(UTC) > expiry, deadline=60, what="its time to pass")

    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)

    books.wait_for(stack, broadcast, "CANCELLED", deadline=120)
    wait_until(lambda: bool(books.status(stack, broadcast)["finished_at"]), deadline=60, what="its end")
    assert not books.reached(smtp_process, sms_process)
    assert books.status(stack, broadcast)["ended_because"].endswith("before it had started")


def test_one_that_expires_under_way_stops_with_its_books_in_balance(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product(EMAIL_CONCURRENCY="2")
    notification = books.a_notification_for_both(stack)
    # Two at once, half a second each: hundreds of mails outlast the expiry by far.
    smtp_process.behave(Rule(phase="dot", delay=0.5))
    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)
    broadcast = schedule(stack, notification, "--expires", at(datetime.now(UTC) + AHEAD))

    books.wait_for(stack, broadcast, "CANCELLED", deadline=120)
    wait_until(lambda: bool(books.status(stack, broadcast)["finished_at"]), deadline=60, what="its end")

    done = books.status(stack, broadcast)
    got = books.reached(smtp_process, sms_process)
    assert done["balanced"]
    assert done["deliveries"]["email"]["CANCELLED"] > 0
    assert max(got.values()) == 1
    assert not got - books.expected(stack, notification)
    assert (
        sum(count for (channel, _), count in got.items() if channel == "email") == done["deliveries"]["email"]["SENT"]
    )
