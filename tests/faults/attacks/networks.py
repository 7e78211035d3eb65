"""A network between the product and RabbitMQ that forgets connections without closing them, and slow providers."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.faults.arena import EMAIL, ROLES, SMS, WINDOW, Arena
from tests.faults.attack import SCALED, attack
from tests.faults.attacks.brokers import BACK_WITHIN, NOTICED_WITHIN, SENT_SINCE, complaining
from tests.support.fakes.relay import Relay
from tests.support.fakes.rules import Rule

#: Tickets that a consumer has at hand: so many come again for each connection that it loses.
AT_HAND = 2
CONSUMERS = 2
#: Seconds. So many that a process which a busy machine leaves out for a while is not silent.
LONG_HEARTBEAT = 8
#: A provider's answer takes longer than two of them, after which the broker would drop who is silent.
LONGER_THAN_TWO = 2.5 * LONG_HEARTBEAT


@contextmanager
def relayed(arena: Arena, *, heartbeat: int) -> Iterator[Relay]:
    """The product reaches its broker through the relay, with this heartbeat."""
    with Relay(arena.servers.rabbit.port) as relay:
        path = urlsplit(arena.broker_url).path
        arena.stack.env["BROKER_URL"] = f"amqp://guest:guest@127.0.0.1:{relay.port}{path}?heartbeat={heartbeat}"
        yield relay


@attack(
    19,
    "a provider slower than the heartbeat",
    engines=SCALED,
    EMAIL_TIMEOUT="60",
    LEASE_SECONDS="300",
    TICKET_LIFETIME_SECONDS="300",
)
def send_slower_than_the_heartbeat(arena: Arena) -> None:
    with relayed(arena, heartbeat=LONG_HEARTBEAT) as relay:
        slow = WINDOW * (arena.size.faults // 4 if arena.size.is_long else 1)
        arena.smtp.behave(Rule(phase="dot", delay=LONGER_THAN_TWO, times=slow))
        arena.sms.behave(Rule(phase="request", delay=LONGER_THAN_TWO, times=slow))
        arena.start()
        arena.press()
        arena.wait_for_end()
        arena.faults["slower than the heartbeat"] += 2 * slow
        arena.demand(relay.delivered, "no ticket came by")
        consumers = arena.crew(EMAIL) + arena.crew(SMS)
        said = "".join(f"\n{process.argv[2:]}: {process.output()[-1500:]}" for process in consumers)
        arena.demand(not relay.redelivered, f"{relay.redelivered} of {relay.delivered} tickets came again: {said}")
        for process in consumers:
            arena.demand("can’t be used" not in process.output(), f"{process.argv[2:]} lost its connection")
    arena.judge(unknown_at_most=0)


HEARTBEAT = 6
#: While nothing is to be sent, or in the middle of a broadcast; and whether new connections are swallowed as well.
SILENCES = [(is_idle, to_new) for is_idle in (True, False) for to_new in (True, False)]


@attack(19, "a connection that swallows everything", engines=SCALED)
def swallow_everything(arena: Arena) -> None:
    arena.slow_providers(0.02)
    with relayed(arena, heartbeat=HEARTBEAT) as relay:
        arena.start()
        arena.wait_until(lambda: relay.connections >= len(ROLES), what="everybody's connections to the broker")
        for is_idle, to_new in silences(arena):
            fall_silent(arena, relay, is_idle=is_idle, to_new=to_new)
        arena.wait_for_end()
        # On a busy machine a process may be late with its own heartbeat, and lose a connection that nobody swallowed.
        lost = max(CONSUMERS * sum(arena.faults.values()), relay.connections - len(ROLES))
        most = AT_HAND * lost
        arena.demand(relay.redelivered <= most, f"a storm: {relay.redelivered} tickets came again, {most} were at hand")
    arena.judge(unknown_at_most=0)


def silences(arena: Arena) -> list[tuple[bool, bool]]:
    """Where new connections are swallowed, ten seconds go by before the first of them is given up."""
    if not arena.size.is_long:
        return [(arena.dice.choice([True, False]), False)]
    return arena.dice.sample(SILENCES, len(SILENCES))


def fall_silent(arena: Arena, relay: Relay, *, is_idle: bool, to_new: bool) -> None:
    name = f"swallowed {'while idle' if is_idle else 'under load'}{', and new connections' if to_new else ''}"
    if is_idle:
        be_idle(arena, relay)
    else:
        arena.press_ahead()
        arena.send_some(50)
    swallowed = relay.go_deaf(to_new=to_new)
    arena.faults[name] += 1
    arena.demand(swallowed >= len(ROLES), f"{name}: only {swallowed} connections were open")
    arena.demand_soon(
        lambda: not relay.swallowed(), f"{name}: not noticed within two heartbeats", seconds=2 * HEARTBEAT
    )
    if to_new:
        arena.demand_soon(
            lambda: complaining(arena, "can’t be used") == len(ROLES), f"{name}: not told", seconds=NOTICED_WITHIN
        )
        relay.hear()
    if is_idle:
        arena.press()
    enough = arena.accepted() + SENT_SINCE
    arena.demand_soon(
        lambda: (arena.accepted() >= enough or not arena.left()) and not complaining(arena, ""),
        f"{name}: no recovery",
        seconds=BACK_WITHIN,
    )


def be_idle(arena: Arena, relay: Relay) -> None:
    """For long, as far as heartbeats go: whoever is idle is not taken for dead."""
    arena.wait_for_end()
    before = relay.connections
    arena.pause(HEARTBEAT, 20 * HEARTBEAT if arena.size.is_long else 2 * HEARTBEAT)
    arena.demand(relay.connections == before, "connections were made anew only because nothing was to be done")
