"""The main job with real processes: everyone who consented is told once, nobody else is, whoever dies meanwhile."""

from collections import Counter
from collections.abc import Callable

from tests.support.checks import books
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack

#: Short enough that what a killed process held comes back within the test.
IMPATIENT = {"TICKET_LIFETIME_SECONDS": "4", "TICKET_SIZE": "20"}
#: What a killed consumer had in hand is looked at after that.
SHORT_LEASE = {"LEASE_SECONDS": "15", "EMAIL_TIMEOUT": "10"}


def test_every_consenting_client_is_reached_exactly_once_and_nobody_else(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product()
    notification = books.a_notification_for_both(stack)
    wanted = books.expected(stack, notification)
    stack.start("run_dispatcher")
    stack.start("run_consumer", "email")
    stack.start("run_consumer", "sms")

    done = stack.manage("broadcast", str(notification), "--wait", "--json")

    assert 300 < len(wanted) < 1500
    assert books.reached(smtp_process, sms_process) == wanted
    books_shown = books.status(stack, 1)
    assert books_shown["state"] == "FINISHED"
    assert books_shown["balanced"]
    assert books_shown["total"] == sum(stack.states().values())
    assert books_shown["deliveries"]["email"]["SENT"] + books_shown["deliveries"]["sms"]["SENT"] == len(wanted)
    assert done.returncode == 0
    assert stack.stop_all() == [0, 0, 0]


def test_many_processes_share_the_work_and_no_client_is_reached_twice(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product(TICKET_SIZE="10")
    notification = books.a_notification_for_both(stack)
    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]) * 2:
        stack.start(*command)

    broadcast = books.press(stack, notification)

    books.wait_for(stack, broadcast, "FINISHED")
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification)


def test_a_killed_dispatcher_loses_nothing_and_doubts_nothing(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product(EXPAND_CHUNK="100", **IMPATIENT)
    notification = books.a_notification_for_both(stack)
    smtp_process.behave(Rule(phase="dot", delay=0.01))
    stack.start("run_consumer", "email")
    stack.start("run_consumer", "sms")
    victim = stack.start("run_dispatcher")
    broadcast = books.press(stack, notification)
    wait_until(lambda: books.settled(stack) > 20, what="the broadcast to be under way")

    victim.kill()
    stack.start("run_dispatcher")

    books.wait_for(stack, broadcast, "FINISHED")
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification)
    assert not [state for _, state in stack.states() if state == "UNKNOWN"]


def test_a_killed_consumer_leaves_at_most_its_window_in_doubt_and_sends_nothing_twice(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product(EMAIL_CONCURRENCY="5", **SHORT_LEASE, **IMPATIENT)
    notification = books.a_notification_for_both(stack)
    smtp_process.behave(Rule(phase="dot", delay=0.05))
    stack.start("run_dispatcher")
    stack.start("run_consumer", "sms")
    victim = stack.start("run_consumer", "email")
    broadcast = books.press(stack, notification)
    wait_until(lambda: len(smtp_process.accepted()) > 20, what="mails to arrive")

    victim.kill()
    stack.start("run_consumer", "email")

    books.wait_for(stack, broadcast, "FINISHED")
    got, wanted = books.reached(smtp_process, sms_process), books.expected(stack, notification)
    unknown = Counter(
        (channel, address)
        for channel, address in stack.query("SELECT channel, address FROM notifier_delivery WHERE state = 'UNKNOWN'")
    )
    assert max(got.values()) == 1
    assert not got - wanted
    assert not (wanted - got) - unknown, "lost, and not even in doubt"
    assert sum(unknown.values()) <= 5
    assert books.status(stack, broadcast)["balanced"]


def test_a_consumer_asked_to_stop_under_load_leaves_nothing_in_doubt(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product()
    notification = books.a_notification_for_both(stack)
    smtp_process.behave(Rule(phase="dot", delay=0.02))
    stack.start("run_dispatcher")
    stack.start("run_consumer", "sms")
    leaver = stack.start("run_consumer", "email")
    broadcast = books.press(stack, notification)
    wait_until(lambda: len(smtp_process.accepted()) > 20, what="mails to arrive")

    status = leaver.stop()
    sending = stack.query("SELECT COUNT(*) FROM notifier_delivery WHERE state = 'SENDING' AND channel = 'email'")
    stack.start("run_consumer", "email")

    assert status == 0
    assert sending == [(0,)]
    books.wait_for(stack, broadcast, "FINISHED")
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification)
