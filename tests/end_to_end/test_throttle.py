"""A provider that may be given so many messages a second, with real processes that share its bucket."""

import time
from collections.abc import Callable

from tests.support.checks import books
from tests.support.fakes.sms import SmsProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack

#: A second; and so many at once, which is a second's worth.
RATE = BURST = 40
CONSUMERS = 3


def test_all_consumers_together_keep_the_rate_and_a_restart_earns_no_burst(
    product: Callable[..., Stack], sms_process: SmsProcess
) -> None:
    stack = product(SMS_RATE=f"{RATE}/s", SMS_CONCURRENCY="10", EMAIL_RATE="")
    notification = books.a_notification_for_both(stack)
    wanted = sum(number for (channel, _), number in books.expected(stack, notification).items() if channel == "sms")
    assert wanted > 4 * BURST
    stack.start("run_dispatcher")
    broadcast = books.press(stack, notification)
    # By the provider's own clock, which is this machine's; whatever is slow only makes it fewer.
    began = time.time()
    consumers = [stack.start("run_consumer", "sms") for _ in range(CONSUMERS)]
    wait_until(lambda: len(sms_process.accepted()) > BURST, what="the first SMS")

    for consumer in consumers:
        consumer.stop()
    again = time.time()
    before = len(sms_process.accepted())
    for _ in range(CONSUMERS):
        stack.start("run_consumer", "sms")
    stack.start("run_consumer", "email")
    books.wait_for(stack, broadcast, "FINISHED")

    received = sorted(sent["received_at"] for sent in sms_process.accepted())
    assert len(received) == wanted
    for number, moment in enumerate(received, 1):
        assert number <= BURST + RATE * (moment - began)
    for number, moment in enumerate(received[before:], 1):
        assert number <= BURST + RATE * (moment - again)
