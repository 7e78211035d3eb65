"""A provider that fails everything, with real processes: its channel pauses itself, and goes on by itself."""

from collections.abc import Callable

from tests.support.checks import books
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack

MINIMUM, WINDOW, CONSUMERS = 20, 10, 2
QUICK = {
    "BREAKER_MINIMUM": str(MINIMUM),
    "BREAKER_PROBE_SECONDS": "1",
    "EMAIL_CONCURRENCY": str(WINDOW),
    "RETRY_BASE_SECONDS": "1",
    "TICKET_SIZE": "50",
}


def open_breakers(stack: Stack) -> dict[str, int]:
    """How many probes failed, by paused channel."""
    return dict(stack.query("SELECT channel, probes FROM notifier_breaker WHERE opened_at IS NOT NULL"))


def tries(stack: Stack, channel: str) -> int:
    ((tried,),) = stack.query("SELECT SUM(attempts) FROM notifier_delivery WHERE channel = %s", channel)
    return int(tried or 0)


def untried(stack: Stack, channel: str) -> dict[str, int]:
    """How many were never tried, by state."""
    statement = (
        "SELECT state, COUNT(*) FROM notifier_delivery "
        "WHERE channel = %s AND attempts = 0 AND state <> 'SKIPPED' GROUP BY state"
    )
    return dict(stack.query(statement, channel))


def test_a_provider_that_fails_everything_is_left_alone_until_it_recovers(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    stack = product(**QUICK)
    notification = books.a_notification_for_both(stack)
    wanted = books.expected(stack, notification)
    smtp_process.behave(Rule(phase="dot", reply="451 try later"))
    for command in (["run_dispatcher"], ["run_consumer", "sms"], *[["run_consumer", "email"]] * CONSUMERS):
        stack.start(*command)

    broadcast = books.press(stack, notification)

    wait_until(lambda: open_breakers(stack).get("email"), what="the breaker, and a probe")
    told = stack.manage("broadcast_status", str(broadcast)).stdout
    # What was counted, what was under way when it opened, and the probes, whose number is read last.
    assert tries(stack, "email") <= MINIMUM + CONSUMERS * WINDOW + open_breakers(stack)["email"] + 1
    unharmed = untried(stack, "email")
    assert unharmed["PENDING"] > 100
    assert unharmed.keys() <= {"PENDING", "SENDING"}
    assert "E-mail was paused automatically at" in told
    assert "451 try later" in told
    assert smtp_process.accepted() == []
    # The other channel does not mind.
    texts = sum(number for (channel, _), number in wanted.items() if channel == "sms")
    wait_until(lambda: len(sms_process.accepted()) == texts, what="every SMS")
    assert "sms" not in open_breakers(stack)

    smtp_process.behave()

    books.wait_for(stack, broadcast, "FINISHED")
    assert open_breakers(stack) == {}
    assert books.reached(smtp_process, sms_process) == wanted
    assert books.status(stack, broadcast)["balanced"]
    assert {state for _, state in stack.states()} <= {"SENT", "SKIPPED"}
    assert stack.stop_all() == [0] * (2 + CONSUMERS)
