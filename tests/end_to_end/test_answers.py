"""Clients answer by SMS, and a provider knows who has opted out: with real processes, a real web server included."""

from collections.abc import Callable

from tests.support.checks import books
from tests.support.fakes import answers
from tests.support.fakes.answers import NOTHING, Reply
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess, opted_out
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack


def texted(sms: SmsProcess) -> list[str]:
    return sorted(message["to"] for message in sms.accepted())


def numbers(stack: Stack, notification: int) -> list[str]:
    """Those who should get its SMS."""
    return sorted(address for channel, address in books.expected(stack, notification) if channel == "sms")


def of_number(stack: Stack, address: str) -> list[tuple[str, str, int]]:
    return stack.query("SELECT state, detail, attempts FROM notifier_delivery WHERE address = %s ORDER BY id", address)


def suppressed(stack: Stack) -> list[tuple[str, str]]:
    """By those who speak for themselves, the demo data's among them."""
    return stack.query(
        "SELECT address, reason FROM notifier_suppression WHERE source = 'CLIENT' AND channel = 'sms' ORDER BY address"
    )


def test_who_answers_stop_while_it_is_sent_gets_nothing_more_until_they_answer_start(
    product: Callable[..., Stack], sms_process: SmsProcess
) -> None:
    stack = product(SMS_CONCURRENCY="2", TICKET_SIZE="10")
    notification = books.a_notification_for_both(stack)
    wanted, before = numbers(stack, notification), suppressed(stack)
    sms_process.behave(Rule(phase="request", delay=0.5))
    base = stack.serve()
    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)
    broadcast = books.press(stack, notification)
    waiting = "SELECT address FROM notifier_delivery WHERE channel = 'sms' AND state = 'PENDING' ORDER BY id DESC"
    wait_until(lambda: len(texted(sms_process)) > 5 and stack.query(waiting), what="the SMS to be under way")

    ((leaver,),) = stack.query(f"{waiting} LIMIT 1")
    stop = answers.form("Stop.", sender=leaver)
    assert answers.deliver(base, stop) == Reply(200, NOTHING)
    assert leaver not in texted(sms_process), "it went too fast for the test"

    # Neither somebody else's START brings it back, nor the provider's second delivery of what it delivered before.
    assert answers.deliver(base, answers.form("START", sender=leaver), token="guessed").status == 403
    assert answers.deliver(base, stop) == Reply(200, NOTHING)
    sms_process.behave()
    books.wait_for(stack, broadcast, "FINISHED")
    assert texted(sms_process) == [number for number in wanted if number != leaver]
    assert of_number(stack, leaver) == [("SKIPPED", "consent withdrawn after the send began", 0)]
    assert suppressed(stack) == sorted([*before, (leaver, "replied STOP by SMS")])
    assert stack.query("SELECT COUNT(*) FROM notifier_inboundmessage") == [(1,)]

    assert answers.deliver(base, answers.form("Start", sender=leaver)) == Reply(200, NOTHING)
    stack.manage("broadcast", str(notification), "--again", "--wait")
    assert suppressed(stack) == before
    assert texted(sms_process).count(leaver) == 1


def test_who_has_opted_out_at_the_provider_is_skipped_suppressed_and_not_tried_again(
    product: Callable[..., Stack], sms_process: SmsProcess
) -> None:
    stack = product(BREAKER_MINIMUM="1", BREAKER_PERCENT="1", SMS_STOP_LINE="Reply STOP to end")
    notification = books.a_notification_for_both(stack)
    wanted, before = numbers(stack, notification), suppressed(stack)
    leavers, others = wanted[:3], wanted[3:]
    sms_process.behave(*(opted_out(recipient=number) for number in leavers))
    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)

    stack.manage("broadcast", str(notification), "--wait")

    assert texted(sms_process) == others
    # In each client's language.
    assert all("STOP" in message["body"].splitlines()[-1] for message in sms_process.accepted())
    for number in leavers:
        assert of_number(stack, number) == [("SKIPPED", "the recipient has opted out at the provider", 1)]
    reason = "400: 21610 Attempt to send to unsubscribed recipient"
    assert suppressed(stack) == sorted([*before, *((number, reason) for number in leavers)])
    # Not even a breaker that opens at the first failure sees one.
    assert stack.query("SELECT SUM(failed) FROM notifier_breaker WHERE channel = 'sms'") in ([(0,)], [(None,)])

    # They are not even asked about any more.
    assert len(sms_process.strikes()) == len(leavers)
    stack.manage("broadcast", str(notification), "--again", "--wait")
    assert len(sms_process.strikes()) == len(leavers)
    assert texted(sms_process) == sorted(others * 2)


def test_a_real_web_server_knows_the_provider_from_everybody_else(make_stack: Callable[..., Stack]) -> None:
    """As production has it: HTTPS ends at a proxy, which asks by another address than Twilio was given."""
    public = "https://notifier.example.com"
    stack = make_stack(sms_url="twilio://AC1:secret@api.twilio.com/?from=+15005550006")
    base = stack.serve(
        workers=2,
        PUBLIC_URL=public,
        DEBUG="off",
        HTTPS="on",
        BEHIND_PROXY="on",
        ALLOWED_HOSTS="127.0.0.1",
        SMS_HELP_ANSWER="Call us: 020 7946 0123",
    )
    by_proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}

    def deliver(fields: dict[str, str], **more: str) -> Reply:
        return answers.deliver(base, fields, headers=by_proxy, **{"token": "secret", "public": public} | more)

    assert deliver(answers.form("STOP")) == Reply(200, NOTHING)
    assert "<Message>Call us: 020 7946 0123</Message>" in deliver(answers.form("HELP")).body
    assert deliver(answers.form("STOP"), token="another") == Reply(403, "")
    assert deliver(answers.form("STOP"), public=base) == Reply(403, "")
    assert deliver(answers.form("x" * 100_000)) == Reply(403, "")
    assert answers.deliver(base, {}, headers=by_proxy, path="/hooks/sms/other").status == 404

    assert stack.query("SELECT outcome FROM notifier_inboundmessage ORDER BY id") == [("STOPPED",), ("HELPED",)]
