"""Clients who refuse while they are about to be written to, by the real web server, while real consumers send."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from notifier.models import Reason
from tests.support.checks import books
from tests.support.fakes.rules import Rule
from tests.support.fakes.smtp import FakeSmtp, SmtpProcess
from tests.support.servers.processes import PATIENCE_SECONDS, wait_until
from tests.support.servers.stack import Stack

#: Slow enough for everybody to refuse while most mails still wait, however busy the machine is.
DELAY_SECONDS = 2.0
#: A mail that was claimed before the refusal still goes out: so many are claimed at once.
WINDOW = 5
_WAITING = """
    SELECT client_id, address, topic_id FROM notifier_delivery d JOIN notifier_broadcast b ON b.id = d.broadcast_id
    WHERE d.channel = 'email' AND d.state = 'PENDING' ORDER BY d.id
"""
_ENDED = "SELECT address, state, detail FROM notifier_delivery WHERE channel = 'email'"
_EVIDENCE = "SELECT client_id, source, detail, ip FROM notifier_consentchange WHERE source IN ('ONE_CLICK', 'LINK')"


def press(url: str) -> tuple[int, float]:
    """As a mailbox provider posts it: the status, and when the answer was there."""
    request = Request(url, data=b"List-Unsubscribe=One-Click", method="POST")
    try:
        with urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            status = answer.status
    except HTTPError as error:
        status = error.code
    return status, time.time()


def test_whoever_refuses_while_it_is_under_way_gets_nothing_that_was_not_already_on_its_way(
    product: Callable[..., Stack], smtp_process: SmtpProcess
) -> None:
    stack = product(clients=250, TICKET_SIZE=str(WINDOW), EMAIL_CONCURRENCY=str(WINDOW))
    address = stack.serve(workers=2)
    smtp_process.behave(Rule(phase="dot", delay=DELAY_SECONDS))
    notification = books.a_notification_for_both(stack)
    stack.start("run_dispatcher")
    stack.start("run_consumer", "email")
    stack.start("run_consumer", "sms")
    broadcast = books.press(stack, notification)
    wait_until(lambda: len(smtp_process.accepted()) > 10, what="mails to arrive")

    # Every third of those that wait, so that some are about to be claimed; each link is pressed twice at once.
    refusers = stack.query(_WAITING)[::3]
    urls = [f"{address}/u/{signed_links.token(Link(client, topic, broadcast))}" for client, _, topic in refusers]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(press, [url for url in urls for _ in range(2)]))

    smtp_process.behave()
    books.wait_for(stack, broadcast, "FINISHED")
    assert {status for status, _ in answers} == {200}
    answered = {mail: max(answers[2 * n][1], answers[2 * n + 1][1]) for n, (_, mail, _) in enumerate(refusers)}
    received = {entry["recipient"]: entry["received_at"] for entry in smtp_process.accepted()}
    late = received.keys() & answered.keys()
    # How many came in between, and not after how many seconds: it may be a busy machine.
    between = {mail: sum(answered[mail] < at < received[mail] for at in received.values()) for mail in late}
    assert not {mail: number for mail, number in between.items() if number > 2 * WINDOW}
    ended = {mail: (state, detail) for mail, state, detail in stack.query(_ENDED)}
    spared = {mail for mail in answered if ended[mail] == ("SKIPPED", Reason.CONSENT_GONE)}
    assert spared == answered.keys() - late
    assert len(spared) > 20
    # One change for each, however often it was pressed.
    evidence = sorted((*row, str(ip)) for *row, ip in stack.query(_EVIDENCE))
    assert evidence == sorted((client, "ONE_CLICK", f"broadcast {broadcast}", "127.0.0.1") for client, _, _ in refusers)
    assert books.status(stack, broadcast)["balanced"]


def test_the_link_of_a_mail_that_arrived_works_at_the_web_server(
    product: Callable[..., Stack], fake_smtp: FakeSmtp
) -> None:
    stack = product(clients=50)
    address = stack.serve()
    notification = books.a_notification_for_both(stack)
    books.press(stack, notification)
    stack.start("run_dispatcher")
    # This one keeps what it gets.
    stack.start("run_consumer", "email", EMAIL_URL=fake_smtp.url)
    wait_until(fake_smtp.accepted, what="a mail to arrive")
    mail = fake_smtp.accepted()[0]
    header = re.search(r"^List-Unsubscribe: <https://notifier\.example\.com(/u/[^>]*)>\r?$", mail["raw"], re.MULTILINE)
    assert header
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in mail["raw"]

    status, _ = press(address + header[1])

    client = signed_links.read_token(header[1].removeprefix("/u/")).client_id
    assert status == 200
    assert stack.query("SELECT email FROM notifier_client WHERE id = %s", client) == [(mail["recipient"],)]
    assert [row[:2] for row in stack.query(_EVIDENCE)] == [(client, "ONE_CLICK")]
