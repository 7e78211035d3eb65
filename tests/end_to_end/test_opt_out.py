"""Clients who refuse while a broadcast is under way, in every way that there is, and from processes of their own."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.support.checks import books
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack

#: How many clients each of two processes takes, from the end of the list: their turn comes last.
LEAVERS = 60

# The look comes after the commit: what is not being sent by then is claimed later, and must find the refusal.
REFUSE = """
import json, time
from django.db import transaction
from notifier.runtime import clock
from notifier.models import Broadcast, Channel, Client, ConsentChange, Delivery
from notifier.clients import archiving, erasure
from notifier.consent import consents, provider_events, suppressions
from notifier.consent.consents import Origin
from notifier.consent.provider_events import Event, Kind
from notifier.consent.suppressions import Source, Evidence

broadcast = Broadcast.objects.get(pk={broadcast})
origin = Origin(ConsentChange.Source.ONE_CLICK, ip="192.0.2.7")
stop = Evidence(Source.CLIENT, "STOP")

def one_click(client):
    wants = {{Channel.EMAIL: False}}
    consents.change(client=client, topic=broadcast.topic, wants=wants, origin=origin, now=clock.now())
    return ["email"]

def everything(client):
    with transaction.atomic():
        consents.withdraw_all(client=client, origin=origin, now=clock.now())
    return ["email", "sms"]

def stopped(client):
    if not client.phone:
        return []
    suppressions.suppress(channel=Channel.SMS, address=str(client.phone), evidence=stop, now=clock.now())
    return ["sms"]

def complained(client):
    if not client.email:
        return []
    event = Event("Test", f"{{client.pk}}", Kind.COMPLAINT, client.email, clock.now())
    provider_events.record_event(event, clock.now())
    return ["email"]

def archived(client):
    archiving.archive(clients=Client.objects.filter(pk=client.pk), by=None, now=clock.now())
    return ["email", "sms"]

def erased(client):
    try:
        erasure.erase(client_id=client.pk, by=None, why="asked", now=clock.now())
    except erasure.NotErased:
        return []
    return ["email", "sms"]

ways = [one_click, everything, stopped, complained, archived, erased]
rows = Delivery.objects.filter(broadcast=broadcast)
told = []
ids = rows.order_by("-client_id").values_list("client_id", flat=True).distinct()
for number, client in enumerate(Client.objects.filter(pk__in=list(ids)[{half}:2 * {leavers}:2])):
    addresses = {{"email": client.email, "sms": str(client.phone or "")}}
    way = ways[number % len(ways)]
    for channel in way(client):
        state = rows.filter(client=client, channel=channel).values_list("state", flat=True).first()
        told.append([client.pk, channel, addresses[channel], way.__name__, state])
    time.sleep(0.01)
print(json.dumps(told))
"""
SPARED = """
from notifier.progress import skip_reasons
found = skip_reasons.spared({broadcast})
print(found.number if found else 0)
"""


@dataclass(frozen=True)
class Refusal:
    client: int
    channel: str
    address: str
    way: str
    #: Of the delivery, after the refusal had been committed.
    state: str | None

    @property
    def was_in_time(self) -> bool:
        return self.state in ("PENDING", "RETRYING", "SKIPPED")


def refusals(stack: Stack, broadcast: int) -> list[Refusal]:
    """From two processes at once, each for a half of the clients."""

    def refuse(half: int) -> list[Refusal]:
        source = REFUSE.format(broadcast=broadcast, half=half, leavers=LEAVERS)
        said = stack.manage("shell", "-c", source).stdout
        return [Refusal(*one) for one in json.loads(said.splitlines()[-1])]

    with ThreadPoolExecutor(2) as pool:
        return [one for half in pool.map(refuse, (0, 1)) for one in half]


def test_whoever_refused_before_their_turn_is_not_reached_and_the_spared_are_counted(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess
) -> None:
    # Slow until everybody has refused, however long that takes to start on a busy machine.
    smtp_process.behave(Rule(phase="dot", delay=2.0))
    sms_process.behave(Rule(phase="request", delay=2.0))
    stack = product(TICKET_SIZE="10", EMAIL_CONCURRENCY="4", SMS_CONCURRENCY="4")
    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]) * 2:
        stack.start(*command)
    broadcast = books.press(stack, books.a_notification_for_both(stack))
    wait_until(lambda: books.settled(stack) > 50, what="the first messages")

    refused = refusals(stack, broadcast)

    smtp_process.behave()
    sms_process.behave()
    books.wait_for(stack, broadcast, "FINISHED")
    in_time = {one for one in refused if one.was_in_time}
    assert {one.way for one in in_time} == {"one_click", "everything", "stopped", "complained", "archived", "erased"}
    reached = books.reached(smtp_process, sms_process)
    assert not [one for one in in_time if reached[one.channel, one.address]]
    assert max(reached.values()) == 1

    rows = "SELECT client_id, channel, state, detail FROM notifier_delivery WHERE broadcast_id = %s"
    ended = {(client, channel): (state, detail) for client, channel, state, detail in stack.query(rows, broadcast)}
    told = {one: ended[one.client, one.channel] for one in in_time if (one.client, one.channel) in ended}
    assert {state for state, _ in told.values()} == {"SKIPPED"}
    spared = [row for row in ended.values() if row == ("SKIPPED", "consent withdrawn after the send began")]
    said = stack.manage("shell", "-c", SPARED.format(broadcast=broadcast)).stdout
    assert int(said.splitlines()[-1]) == len(spared) >= len(in_time) / 3
    refusers = {(one.client, one.channel) for one in refused}
    assert {who for who, row in ended.items() if row in spared} <= refusers
