"""What must be true after a broadcast, told from the database and from the providers' own logs."""

import json
from collections import Counter
from typing import Any

from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack

Reached = Counter[tuple[str, str]]

#: Who should get something, by plain SQL: no line of it is shared with the product.
_EXPECTED = """
    SELECT c.{address} FROM notifier_client c
    JOIN notifier_preference p ON p.client_id = c.id
    JOIN notifier_notification n ON n.topic_id = p.topic_id
    WHERE n.id = %s AND c.is_active AND p.{channel} AND c.{address} IS NOT NULL AND n.{channel}_body <> ''
      AND NOT EXISTS (SELECT 1 FROM notifier_suppression s WHERE s.channel = '{channel}' AND s.address = c.{address})
"""


def a_notification_for_both(stack: Stack) -> int:
    """The id of a demo notification that has an e-mail and an SMS text."""
    found = stack.query("SELECT id FROM notifier_notification WHERE email_body <> '' AND sms_body <> '' ORDER BY id")
    return int(found[0][0])


def expected(stack: Stack, notification_id: int) -> Reached:
    """(channel, address) of everyone who consented and can be reached, once each."""
    return Counter(
        (channel, address)
        for channel, column in (("email", "email"), ("sms", "phone"))
        for (address,) in stack.query(_EXPECTED.format(channel=channel, address=column), notification_id)
    )


def reached(smtp: SmtpProcess, sms: SmsProcess) -> Reached:
    """(channel, address) of every message that a provider took, as often as it took one."""
    mails = Counter(("email", line["recipient"]) for line in smtp.accepted())
    return mails + Counter(("sms", line["to"]) for line in sms.accepted())


def press(stack: Stack, notification_id: int) -> int:
    """Broadcasts it and returns the broadcast's id."""
    return int(json.loads(stack.manage("broadcast", str(notification_id), "--json").stdout)["id"])


def status(stack: Stack, broadcast_id: int) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(stack.manage("broadcast_status", str(broadcast_id), "--json").stdout)
    return answer


def wait_for(stack: Stack, broadcast_id: int, state: str) -> None:
    def is_there() -> bool:
        return stack.query("SELECT state FROM notifier_broadcast WHERE id = %s", broadcast_id) == [(state,)]

    wait_until(is_there, what=f"{state}; deliveries are {stack.states()}")


def settled(stack: Stack) -> int:
    return sum(n for (_, state), n in stack.states().items() if state in ("SENT", "SKIPPED", "FAILED", "UNKNOWN"))
