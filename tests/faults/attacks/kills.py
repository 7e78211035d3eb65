"""Processes that are killed, at random and at every point between two steps, held up, or asked to stop under load."""

import json
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial

import pika

from notifier.runtime import failpoints
from tests.faults.arena import (
    DEADLINE_SECONDS,
    DISPATCHER,
    EMAIL,
    RECOVERY_SECONDS,
    SHORT_LEASE,
    SMS,
    WINDOW,
    Arena,
    Role,
    seconds_of,
)
from tests.faults.attack import attack
from tests.faults.judging import judge
from tests.faults.servers import Engine
from tests.support.fakes.rules import Rule
from tests.support.servers.processes import Process


@attack(1, "kill -9 dispatchers, two running")
def kill_dispatchers(arena: Arena) -> None:
    arena.slow_providers()
    arena.start(dispatchers=2)
    arena.press()
    for _ in range(arena.size.faults):
        arena.wait_for_crew(DISPATCHER)
        arena.demand(len(arena.crew(DISPATCHER)) == 2, "a dispatcher ended by itself")
        _wait_for_tickets(arena)
        arena.pause()
        arena.kill_one(DISPATCHER)
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)


def _wait_for_tickets(arena: Arena) -> None:
    """Until the dispatchers have made or reserved something new; pressed again where too little is left to do."""
    waiting = "FROM notifier_delivery WHERE state = 'PENDING'"
    before = arena.stack.query(f"SELECT MAX(due_at) {waiting}")[0][0] or "2000-01-01"

    def has_reserved() -> bool:
        arena.keep_busy()
        # A reservation is due again only at the end of its ticket's lifetime, later than every one before it.
        return bool(arena.stack.query(f"SELECT 1 {waiting} AND due_at > %s LIMIT 1", before))

    arena.wait_until(has_reserved, what="new tickets")


@attack(2, "kill -9 consumers, two a channel", base=SHORT_LEASE)
def kill_consumers(arena: Arena) -> None:
    arena.slow_providers()
    arena.start(email=2, sms=2)
    arena.press()
    for _ in range(arena.size.faults):
        # In the thick of it, not while they all start.
        arena.wait_for_crew(EMAIL, SMS)
        arena.keep_busy()
        arena.send_some(20)
        arena.kill_one(arena.dice.choice([EMAIL, SMS]))
    arena.wait_for_end()
    arena.judge(unknown_at_most=WINDOW * arena.size.faults)


#: By whom each point is passed.
DISPATCHERS_POINTS = failpoints.POINTS[: failpoints.POINTS.index("ticket.received")]
#: Where who dies has a window in its hands; for the sweep a consumer is killed beforehand.
POINTS_IN_DOUBT = ("claim.committed", "send.begun", "send.accepted", "window.sent", "settle.written", "sweep.committed")


@attack(3, "kill -9 at every point between two steps", TICKET_LIFETIME_SECONDS="30", base=SHORT_LEASE)
def failpoints_one_by_one(arena: Arena) -> None:
    arena.slow_providers(0.02)
    arena.start(sms=1, dispatchers=0, email=0)
    points = _points(arena)
    for point in arena.dice.sample(points, len(points)):
        _prepare(arena, point)
        _die_at(arena, point)
        arena.slow_providers(0.02)
    arena.start(sms=0)
    arena.wait_for_end()
    in_doubt = sum(arena.faults[point] for point in POINTS_IN_DOUBT)
    arena.judge(unknown_at_most=WINDOW * in_doubt)


def _points(arena: Arena) -> Sequence[str]:
    """All of them take a minute: in short rounds they are dealt out, and the two engines together come by every one."""
    if arena.size.is_long:
        return failpoints.POINTS
    return failpoints.POINTS[list(Engine).index(arena.engine) :: len(Engine)]


def _prepare(arena: Arena, point: str) -> None:
    """Bring about what leads to the point."""
    # What waits for a ticket already may be mails, of which the queue is full as long as no consumer of theirs runs.
    if point.startswith(("expand", "reserve", "reissue", "publish", "claim")) or point == "sweep.committed":
        arena.press()
    arena.keep_busy()
    match point:
        case "start.committed":
            arena.press_ahead()
        case "expire.committed":
            # Nobody starts it meanwhile: no dispatcher runs.
            expiry = (datetime.now(UTC) + timedelta(days=3)).isoformat()
            broadcast = arena.press_ahead("--expires", expiry, is_complete=False, ends="CANCELLED")
            arena.stack.query("UPDATE notifier_broadcast SET expires_at = scheduled_for WHERE id = %s", broadcast)
        case "sweep.committed":
            dispatcher, consumer = arena.hire(DISPATCHER), arena.hire(EMAIL)
            sending = "SELECT 1 FROM notifier_delivery WHERE state = 'SENDING' AND channel = 'email'"
            arena.wait_until(lambda: arena.stack.query(sending), what="mails in a consumer's hands")
            consumer.kill()
            arena.faults["kill -9 email"] += 1
            dispatcher.kill()
        case "reissue.committed":
            # Reserved for longer than all the rest may take, and their tickets never published.
            patient = {"FAILPOINT": "reserve.committed", "TICKET_LIFETIME_SECONDS": "900"}
            _wait_for_death(arena, arena.hire(DISPATCHER, **patient), "reserve.committed")
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
    if of_dispatcher:
        # The consumer leaves in order: a dispatcher's death must leave nothing in doubt by itself.
        arena.wait_for_sign_of_life(other)
        arena.demand(other.stop(deadline=DEADLINE_SECONDS) == 0, f"did not end in order: {other.output()[-500:]}")
    else:
        arena.faults["kill -9 email"] += 1
        other.kill()


def _wait_for_death(arena: Arena, victim: Process, point: str) -> None:
    def is_dead() -> bool:
        # What was left may have been the other channel's, and nothing that leads to the point. Lost tickets are found
        # only once nobody claims anything any more: there it was prepared beforehand, and more would hide it for ever.
        if point != "reissue.committed":
            arena.keep_busy()
        return not victim.is_running()

    try:
        arena.wait_until(is_dead, what=f"somebody to come by {point}")
    except AssertionError as error:
        arena.complaints.append(str(error))
        victim.kill()
    else:
        arena.demand(victim.returncode() == -signal.SIGKILL, f"{point}: ended with {victim.returncode()}")
        arena.faults[point] += 1


LEASE_SECONDS = 2
#: A stopped consumer's lease is over by then, and was noticed, unless it holds SQLite's write lock.
STOPPED_SECONDS = LEASE_SECONDS + 1.0
#: Where a consumer that will be stopped has something in its hands…
HOLDING_POINTS = ("send.begun", "send.accepted", "window.sent")
#: …and, with SQLite, the one write lock: nobody else would come by a point of theirs. See attack 12.
LOCKING_POINTS = ("claim.taken",)
#: Where the provider has taken at least one message of the window.
ARRIVED_POINTS = ("send.accepted", "window.sent")


@attack(
    4,
    "SIGSTOP consumers beyond their lease, then SIGCONT",
    LEASE_SECONDS=str(LEASE_SECONDS),
    EMAIL_TIMEOUT="2",
)
def stop_beyond_the_lease(arena: Arena) -> None:
    arena.slow_providers()
    points = HOLDING_POINTS + (LOCKING_POINTS if arena.engine is Engine.SCALED else ())
    sent_again: set[int] = set()
    in_doubt: set[int] = set()
    arena.start()
    for _ in range(max(1, arena.size.faults // 3)):
        early, late = arena.dice.sample([EMAIL, SMS], 2)
        bystander = arena.crew(late)[0]
        point = arena.dice.choice(points)
        # One that has sent nothing yet, one somewhere in a window, and one at any instant whatever.
        victims = [_hire_to_stop(arena, early, "claim.committed"), _hire_to_stop(arena, late, point)]
        for role, victim in zip((early, late), victims, strict=True):
            stops = partial(_stops_over_work, arena, role, victim)
            arena.wait_until(stops, what=f"the stop of {victim.argv}")
        in_doubt |= _wait_for_doubt(arena, early, late, point)
        arena.pause(0.0, 0.3)
        bystander.send(signal.SIGSTOP)
        arena.faults["SIGSTOP at random"] += 1
        time.sleep(STOPPED_SECONDS)
        sent_again |= _send_again_what_never_left(arena, early)
        for process in (*victims, bystander):
            process.send(signal.SIGCONT)
        for victim in victims:
            arena.demand(
                victim.stop(deadline=DEADLINE_SECONDS) == 0,
                f"did not end in order after SIGCONT: {victim.output()[-500:]}",
            )
    # Stopped between a request and the first look for its answer, a bystander finds the time for it over: its result is
    # that it does not know. That is a moment of every send; of whole windows it would be wrong.
    arena.demand_soon(
        lambda: _unknown(arena) <= _without_an_answer(arena), "a late result left UNKNOWN", seconds=RECOVERY_SECONDS
    )
    arena.wait_for_end()
    without = len(_without_an_answer(arena))
    arena.demand(without <= arena.faults["SIGSTOP at random"] * WINDOW / 2, f"{without} sends found their time over")
    # What of a window was not begun by then is not begun any more, and a login that outlasted its time is none.
    most = WINDOW * (sum(arena.faults.values()) - arena.faults["sent again meanwhile"])
    arena.judge(unknown_at_most=without, may_fail=_was_not_begun, failed_at_most=most)
    sent = {pk for (pk,) in arena.stack.query("SELECT id FROM notifier_delivery WHERE state = 'SENT'")}
    arena.demand(in_doubt <= sent, f"arrived, were UNKNOWN, and the late result made them no SENT: {in_doubt - sent}")
    times = Counter(message.delivery for message in judge.accepted(arena.smtp, arena.sms))
    twice = {delivery for delivery in sent_again if times[delivery] > 1}
    arena.demand(not twice, f"sent by a consumer after its lease, and by the one it was given to meanwhile: {twice}")


def _wait_for_doubt(arena: Arena, early: Role, late: Role, point: str) -> set[int]:
    """Until the leases of the stopped are seen to be over; returns what has arrived of it, and is UNKNOWN for now.

    The others are all at work meanwhile, so that nobody holds SQLite's lock, and no result of theirs is in doubt.
    """
    arena.demand_soon(
        lambda: _unknown(arena, channel=early[-1]),
        "stopped at claim.committed, and nothing is UNKNOWN",
        seconds=RECOVERY_SECONDS,
    )
    if point in ARRIVED_POINTS:
        doubtful = "the provider has it, the consumer is silent beyond its lease, and it is not UNKNOWN"
        arena.demand_soon(
            lambda: _arrived(arena) & _unknown(arena, channel=late[-1]),
            f"{point}: {doubtful}",
            seconds=RECOVERY_SECONDS,
        )
    return _arrived(arena) & _unknown(arena)


def _was_not_begun(row: judge.Row) -> bool:
    return judge.held_up(row) or "can’t be used" in row.detail


def _arrived(arena: Arena) -> set[int]:
    return {message.delivery for message in judge.accepted(arena.smtp, arena.sms)}


def _hire_to_stop(arena: Arena, role: Role, point: str) -> Process:
    """A consumer that stops itself there."""
    arena.faults[f"SIGSTOP at {point}"] += 1
    settings = {"FAILPOINT": f"{point}:{arena.dice.randint(1, 3)}:stop"}
    if arena.engine is Engine.SCALED:
        # The broker takes it for dead as well, and hands its ticket to another.
        settings["BROKER_URL"] = f"{arena.broker_url}?heartbeat=1"
    return arena.hire(role, **settings)


def _send_again_what_never_left(arena: Arena, role: Role) -> set[int]:
    """As staff do who see that the provider's own log has no trace of it. None if SQLite's lock was stopped as well."""
    never_left = _unknown(arena, channel=role[-1]) - _arrived(arena)
    if _is_locked(arena):
        return set()
    if never_left:
        arena.stack.manage("shell", "-c", SEND_AGAIN.format(ids=sorted(never_left)))
        arena.faults["sent again meanwhile"] += len(never_left)
    return never_left


def _is_locked(arena: Arena) -> bool:
    """Whether somebody who is stopped holds SQLite's write lock; the others give it back at once."""
    if arena.engine is Engine.SCALED:
        return False
    path = arena.stack.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=2, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        database.execute("ROLLBACK")
    return False


SEND_AGAIN = """
from notifier.runtime import clock
from notifier.models import Delivery
from notifier.delivery import recovery
recovery.send_again(deliveries=Delivery.objects.filter(pk__in={ids}), by=None, why="never left", now=clock.now())
"""


def _unknown(arena: Arena, *, channel: str = "%") -> set[int]:
    rows = arena.stack.query("SELECT id FROM notifier_delivery WHERE state = 'UNKNOWN' AND channel LIKE %s", channel)
    return {pk for (pk,) in rows}


def _without_an_answer(arena: Arena) -> set[int]:
    """Those of which a consumer itself says that the answer came too late."""
    rows = "SELECT id FROM notifier_delivery WHERE state = 'UNKNOWN' AND detail LIKE %s"
    return {pk for (pk,) in arena.stack.query(rows, f"%{judge.OUT_OF_TIME}%")}


def _demand_tickets(arena: Arena) -> None:
    """With nobody at work, whatever waits for its ticket must be in one: who ended in order has given back the rest."""
    rows = arena.stack.query("SELECT id, due_at FROM notifier_delivery WHERE state = 'PENDING'")
    waiting = {pk for pk, due_at in rows if seconds_of(due_at) > time.time()}
    ticketed = {delivery for body in _tickets(arena) for delivery in json.loads(body)["deliveries"]}
    arena.demand(waiting <= ticketed, f"reserved, and in no ticket: {sorted(waiting - ticketed)[:20]}")


def _tickets(arena: Arena) -> list[bytes]:
    """What is in the queues, and stays there."""
    if arena.engine is Engine.EMBEDDED:
        return [body for (body,) in arena.stack.query("SELECT body FROM notifier_queuedticket WHERE NOT dead")]
    bodies = []
    # What is not acknowledged goes back with the connection.
    with closing(pika.BlockingConnection(pika.URLParameters(arena.broker_url))) as connection:
        channel = connection.channel()
        for key in (EMAIL[-1], SMS[-1]):
            while (found := channel.basic_get(f"notifier.{key}"))[0] is not None:
                bodies.append(found[2])
    return bodies


def _stops_over_work(arena: Arena, role: Role, victim: Process) -> bool:
    """Whether it has stopped itself; the others of its kind must not leave it without work meanwhile."""
    waiting = "SELECT COUNT(*) FROM notifier_delivery WHERE channel = %s AND state = 'PENDING'"
    if arena.stack.query(waiting, role[-1])[0][0] < 50:
        arena.press()
    return victim.is_stopped()


#: Neither the end of a lease nor that of a ticket's lifetime brings anything back during the round.
FOR_LONG = "3600"
#: An empty queue counts as having lost its tickets when nobody has claimed anything for ten seconds or twelve.
HANGS_SECONDS = 30.0


@attack(
    23,
    "consumers stand still with tickets in their hands, others go on",
    LEASE_SECONDS=FOR_LONG,
    TICKET_LIFETIME_SECONDS=FOR_LONG,
)
def stand_still_with_tickets(arena: Arena) -> None:
    arena.slow_providers(0.05)
    if arena.engine is Engine.SCALED:
        # The broker is not to notice either, as where its connection goes through something that answers for the dead.
        arena.stack.env["BROKER_URL"] = f"{arena.broker_url}?heartbeat=600"
    arena.start()
    victims: list[Process] = []
    for _ in range(max(1, arena.size.faults // 5)):
        role = arena.dice.choice([EMAIL, SMS])
        # With a window in its hands, the rest of that ticket, and what the broker gave it beforehand.
        victim = arena.hire(role, FAILPOINT="claim.committed:1:stop")
        victims.append(victim)
        arena.wait_until(partial(_stops_over_work, arena, role, victim), what=f"the stop of {victim.argv}")
        arena.faults[f"SIGSTOP {role[-1]}"] += 1
        arena.demand_end_but_for(WINDOW * len(victims), HANGS, seconds=HANGS_SECONDS)
    for victim in victims:
        victim.send(signal.SIGCONT)
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)


HANGS = "what was not begun hangs with a consumer that stands still"


# A ticket that is lost shows as such: nothing comes due again during the round.
@attack(5, "SIGTERM under load", TICKET_LIFETIME_SECONDS="900")
def stop_under_load(arena: Arena) -> None:
    arena.slow_providers()
    arena.start(dispatchers=2, email=2, sms=2)
    arena.press()
    for _ in range(arena.size.faults):
        arena.keep_busy()
        arena.send_some(20)
        role = arena.dice.choice([DISPATCHER, EMAIL, SMS])
        leaver = arena.dice.choice(arena.crew(role))
        arena.wait_for_sign_of_life(leaver)
        status = leaver.stop(deadline=DEADLINE_SECONDS)
        arena.demand(status == 0, f"{role} ended with {status}: {leaver.output()[-500:]}")
        arena.faults[f"SIGTERM {role[-1]}"] += 1
        arena.hire(role)
    arena.stop_in_order()
    sending = arena.stack.query("SELECT id FROM notifier_delivery WHERE state = 'SENDING'")
    arena.demand(not sending, f"left SENDING by processes that ended in order: {sending}")
    _demand_tickets(arena)
    arena.start()
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)
