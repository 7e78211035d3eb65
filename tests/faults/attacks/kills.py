"""Processes that are killed, at random and at every point between two steps, or asked to stop under load."""

import signal

from notifier import failpoints
from tests.faults.arena import DISPATCHER, EMAIL, SMS, WINDOW, Arena
from tests.faults.attack import attack
from tests.servers.processes import Process, wait_until
from tests.standins.rules import Rule


@attack(1, "kill -9 dispatchers, two running")
def kill_dispatchers(arena: Arena) -> None:
    arena.slow_providers()
    arena.start(dispatchers=2)
    arena.press()
    for _ in range(arena.size.faults):
        arena.pause()
        arena.keep_busy()
        arena.kill_one(DISPATCHER)
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)


@attack(2, "kill -9 consumers, two a channel")
def kill_consumers(arena: Arena) -> None:
    arena.slow_providers()
    arena.start(email=2, sms=2)
    arena.press()
    for _ in range(arena.size.faults):
        # In the thick of it, not while they all start.
        arena.wait_for_accepted(arena.accepted() + arena.dice.randrange(1, 20))
        arena.keep_busy()
        arena.kill_one(arena.dice.choice([EMAIL, SMS]))
    arena.wait_for_end()
    arena.judge(unknown_at_most=WINDOW * arena.size.faults)


#: By whom each point is passed.
DISPATCHERS_POINTS = failpoints.POINTS[: failpoints.POINTS.index("ticket.received")]
#: How long a process may need to come by its point.
POINT_SECONDS = 30.0


@attack(3, "kill -9 at every point between two steps", TICKET_LIFETIME_SECONDS="30")
def failpoints_one_by_one(arena: Arena) -> None:
    arena.slow_providers(0.02)
    arena.start(sms=1, dispatchers=0, email=0)
    # All of them take most of a minute: a short round takes some by chance.
    points = arena.dice.sample(failpoints.POINTS, min(len(failpoints.POINTS), 2 * arena.size.faults))
    for point in points:
        _prepare(arena, point)
        _die_at(arena, point)
        arena.slow_providers(0.02)
    arena.start(sms=0)
    arena.wait_for_end()
    arena.judge(unknown_at_most=WINDOW * arena.faults["kill -9 email"])


def _prepare(arena: Arena, point: str) -> None:
    """Bring about what leads to the point."""
    if point.startswith(("expand", "reserve", "publish", "claim")) or point == "sweep.committed":
        arena.press()
    arena.keep_busy()
    match point:
        case "sweep.committed":
            dispatcher, consumer = arena.hire(DISPATCHER), arena.hire(EMAIL)
            sending = "SELECT 1 FROM notifier_delivery WHERE state = 'SENDING' AND channel = 'email'"
            wait_until(lambda: arena.stack.query(sending), what="mails in a consumer's hands")
            consumer.kill()
            arena.faults["kill -9 email"] += 1
            dispatcher.kill()
        case "reissue.committed":
            # Reserved, and their tickets never published.
            _wait_for_death(arena, arena.hire(DISPATCHER, FAILPOINT="reserve.committed"), "reserve.committed")
        case "settle.written":
            arena.smtp.behave(Rule(phase="rcpt", reply="450 4.2.1 busy", times=3), Rule(phase="dot", delay=0.02))
        case "release.committed":
            arena.smtp.behave(Rule(phase="connect", reply="421 4.3.2 not now"))


def _die_at(arena: Arena, point: str) -> None:
    """Until the process has killed itself there; nobody else of its kind runs, so that it gets the work."""
    of_dispatcher = point in DISPATCHERS_POINTS
    other = arena.hire(EMAIL if of_dispatcher else DISPATCHER)
    times = arena.dice.randint(1, 2) if point.startswith(("claim", "send", "ticket")) else 1
    victim = arena.hire(DISPATCHER if of_dispatcher else EMAIL, FAILPOINT=f"{point}:{times}")
    _wait_for_death(arena, victim, point)
    arena.faults["kill -9 email"] += 1
    other.kill()


def _wait_for_death(arena: Arena, victim: Process, point: str) -> None:
    try:
        wait_until(lambda: not victim.is_running(), deadline=POINT_SECONDS)
    except AssertionError:
        arena.complaints.append(f"nobody came by {point} within {POINT_SECONDS} s")
        victim.kill()
    else:
        arena.demand(victim.returncode() == -signal.SIGKILL, f"{point}: ended with {victim.returncode()}")
        arena.faults[point] += 1


@attack(5, "SIGTERM under load")
def stop_under_load(arena: Arena) -> None:
    arena.slow_providers()
    arena.start(dispatchers=2, email=2, sms=2)
    arena.press()
    for _ in range(arena.size.faults):
        arena.wait_for_accepted(arena.accepted() + arena.dice.randrange(1, 20))
        arena.keep_busy()
        role = arena.dice.choice([DISPATCHER, EMAIL, SMS])
        leaver = arena.dice.choice(arena.crew(role))
        arena.wait_for_sign_of_life(leaver)
        status = leaver.stop()
        arena.demand(status == 0, f"{role} ended with {status}: {leaver.output()[-500:]}")
        arena.faults[f"SIGTERM {role[-1]}"] += 1
        arena.hire(role)
    arena.stop_in_order()
    sending = arena.stack.query("SELECT id FROM notifier_delivery WHERE state = 'SENDING'")
    arena.demand(not sending, f"left SENDING by processes that ended in order: {sending}")
    arena.start()
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)
