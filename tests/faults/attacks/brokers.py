"""A RabbitMQ that is away, raises alarms, loses its queues, or holds others of the same name."""

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import pika

from tests.faults.arena import DEADLINE_SECONDS, ROLES, Arena, Staff
from tests.faults.attack import SCALED, attack
from tests.faults.product import health

#: From the broker's return until work goes on and the front page has nothing to complain of.
BACK_WITHIN = 30.0
NOTICED_WITHIN = 30.0
#: More than consumers may hold of it when it comes back.
SENT_SINCE = 50
CONSUMERS = ("E-mail consumers", "SMS consumers")


def vhost(arena: Arena) -> str:
    return urlsplit(arena.broker_url).path[1:]


def demand_recovery(arena: Arena, staff: Staff, after: str) -> None:
    enough = arena.accepted() + SENT_SINCE
    arena.demand_soon(
        lambda: (arena.accepted() >= enough or not arena.left()) and health.is_all_well(staff),
        f"no more is sent after {after}, or the admin still complains",
        seconds=BACK_WITHIN,
    )


def demand_words(arena: Arena, staff: Staff, *words: str, of: tuple[str, ...], during: str) -> None:
    arena.demand_soon(
        lambda: health.tells(staff, *words, of=of), f"{during}: the admin does not say so", seconds=NOTICED_WITHIN
    )


def press_send(arena: Arena, staff: Staff, *, during: str) -> int | None:
    """As staff would: Send leads to the page of a broadcast, which the judge then looks at."""
    answer = staff.send(staff.confirm_page(arena.notification), again=True)
    *_, broadcast, page, _ = answer.url.path.split("/")
    arena.demand(answer.status_code == 200 and page == "progress", f"{during}: Send led to {answer.url}")
    if page != "progress":
        return None
    arena.hold_to(int(broadcast))
    return int(broadcast)


# --- Away -------------------------------------------------------------------------------------------------------------
OUTAGE_SECONDS = 10
OUTAGE_SECONDS_SHORT = 1


@attack(6, "broker: stopped, killed, cut off, refusing, absent", engines=SCALED, breaks_servers=True)
def lose_the_broker(arena: Arena) -> None:
    arena.slow_providers(0.02)
    with arena.staff() as staff:
        with stopped(arena):
            arena.start()
            sit_out(arena, staff, during="absent for the whole start")
        demand_recovery(arena, staff, "its absence")
        for name, away in arena.dice.sample(OUTAGES, len(OUTAGES)):
            arena.keep_busy()
            with away(arena):
                sit_out(arena, staff, during=name)
            demand_recovery(arena, staff, name)
        cut_off(arena)
        demand_recovery(arena, staff, "close_all_connections")
        arena.wait_for_end()
    arena.judge(unknown_at_most=0)


def sit_out(arena: Arena, staff: Staff, *, during: str) -> None:
    arena.faults[during] += 1
    ends_at = time.monotonic() + (OUTAGE_SECONDS if arena.size.is_long else OUTAGE_SECONDS_SHORT)
    demand_words(arena, staff, "can’t be used", of=(health.BROKER, *CONSUMERS), during=during)
    press_send(arena, staff, during=during)
    time.sleep(max(0.0, ends_at - time.monotonic()))


def cut_off(arena: Arena) -> None:
    for _ in range(arena.size.faults):
        arena.keep_busy()
        close_all_connections(arena)
        arena.faults["close_all_connections"] += 1
        arena.pause()


def close_all_connections(arena: Arena) -> None:
    arena.servers.rabbit.close_connections(arena.broker_url)


@contextmanager
def stopped(arena: Arena) -> Iterator[None]:
    arena.servers.rabbit.stop_app()
    try:
        yield
    finally:
        arena.servers.rabbit.start_app()


@contextmanager
def killed(arena: Arena) -> Iterator[None]:
    arena.servers.rabbit.kill()
    try:
        yield
    finally:
        arena.servers.rabbit.start()


@contextmanager
def refusing(arena: Arena) -> Iterator[None]:
    arena.servers.rabbit.ctl("change_password", "guest", "another")
    try:
        close_all_connections(arena)
        yield
    finally:
        arena.servers.rabbit.ctl("change_password", "guest", "guest")


Away = Callable[[Arena], AbstractContextManager[None]]
OUTAGES: list[tuple[str, Away]] = [("stop_app", stopped), ("kill -9 broker", killed), ("wrong password", refusing)]


# --- Alarms -----------------------------------------------------------------------------------------------------------
#: By name: what raises it and what ends it.
ALARMS = {
    "memory alarm": (("set_vm_memory_high_watermark", "0.0000001"), ("set_vm_memory_high_watermark", "0.4")),
    "disk alarm": (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "1MB")),
}


@attack(7, "broker: memory alarm, disk alarm", engines=SCALED, breaks_servers=True)
def raise_alarms(arena: Arena) -> None:
    # Ten seconds are its patience by default.
    arena.stack.env["BROKER_URL"] = f"{arena.broker_url}?blocked_connection_timeout=2"
    arena.slow_providers(0.02)
    arena.start()
    with arena.staff() as staff:
        for name in arena.dice.sample(list(ALARMS), len(ALARMS)):
            arena.keep_busy()
            arena.send_some(50)
            with alarm(arena, name):
                meet_alarm(arena, staff, during=name)
            demand_recovery(arena, staff, name)
        arena.wait_for_end()
    arena.judge(unknown_at_most=0)


@contextmanager
def alarm(arena: Arena, name: str) -> Iterator[None]:
    begin, end = ALARMS[name]
    arena.servers.rabbit.ctl(*begin)
    arena.faults[name] += 1
    try:
        yield
    finally:
        arena.servers.rabbit.ctl(*end)


def meet_alarm(arena: Arena, staff: Staff, *, during: str) -> None:
    """The dispatcher doesn't hang, consumers take what is queued, and staff can do everything that they could."""
    broadcast = press_send(arena, staff, during=during)
    demand_words(arena, staff, "memory or disk alarm", of=(health.BROKER,), during=during)
    for order, state in (("pause", "PAUSED"), ("resume", "RUNNING")):
        staff.order(broadcast or 0, order)
        (found,) = arena.stack.query("SELECT state FROM notifier_broadcast WHERE id = %s", broadcast)
        arena.demand(found == (state,), f"{during}: the broadcast is {found} after {order}")
    arena.demand_soon(lambda: ready_tickets(arena) == 0, f"{during}: what is queued stays there", seconds=30)
    said = health.read(staff)
    for part in ("Dispatcher", *CONSUMERS):
        arena.demand(said[part].is_well, f"{during}: {part}: {said[part].words}")
    arena.demand(not said[health.BROKER].is_well, f"{during}: all of a sudden the admin says that all is well")


def ready_tickets(arena: Arena) -> int:
    return arena.servers.rabbit.ready(arena.broker_url)


# --- Lost queues ------------------------------------------------------------------------------------------------------
@attack(8, "broker: queue deleted, queue purged, node wiped and replaced", engines=SCALED, breaks_servers=True)
def lose_the_queues(arena: Arena) -> None:
    arena.slow_providers(0.05)
    arena.start()
    losses = {"queue deleted": delete_queue, "queue purged": purge_queue, "node wiped": wipe_node}
    for _ in range(max(1, arena.size.faults // 5)):
        for name in arena.dice.sample(list(losses), len(losses)):
            arena.keep_busy()
            arena.send_some(20)
            losses[name](arena)
            arena.faults[name] += 1
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)


def a_queue(arena: Arena) -> str:
    return arena.dice.choice(["notifier.email", "notifier.sms"])


def delete_queue(arena: Arena) -> None:
    arena.servers.rabbit.ctl("delete_queue", "-p", vhost(arena), a_queue(arena))


def purge_queue(arena: Arena) -> None:
    arena.servers.rabbit.ctl("purge_queue", "-p", vhost(arena), a_queue(arena))


def wipe_node(arena: Arena) -> None:
    arena.servers.rabbit.wipe()
    arena.servers.rabbit.create_vhost(vhost(arena))


# --- Queues of the same name ------------------------------------------------------------------------------------------
#: How else they may have been declared by somebody before us.
OTHERWISE: dict[str, dict[str, object]] = {
    "classic": {},
    "without dead letters": {"x-queue-type": "quorum"},
    "with a limit": {"x-queue-type": "quorum", "x-max-length": 5},
}


@attack(9, "broker: a queue of the same name declared otherwise", engines=SCALED)
def meet_another_queue(arena: Arena) -> None:
    variants = [(key, kind) for key in ("email", "sms") for kind in OTHERWISE] + [("dead", "with a limit")]
    for key, kind in arena.dice.sample(variants, len(variants) if arena.size.is_long else 1):
        arena.keep_busy()
        be_refused_and_cured(arena, f"notifier.{key}", kind)
    arena.start()
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)


def be_refused_and_cured(arena: Arena, queue: str, kind: str) -> None:
    during = f"{queue} declared {kind}"
    declare(arena, queue, OTHERWISE[kind])
    arena.faults[during] += 1
    crew = [arena.hire(role) for role in ROLES]
    cure = f"rabbitmqctl delete_queue -p {vhost(arena)} {queue}"
    arena.demand_soon(
        lambda: complaining(arena, cure) == len(crew), f"{during}: not all say how to mend it", seconds=NOTICED_WITHIN
    )
    arena.pause(2, 3)  # a few more tries
    for process in crew:
        arena.demand(process.is_running(), f"{during}: {process.argv[2:]} ended")
        said = [line for line in process.output().splitlines() if cure in line]
        arena.demand(len(said) == 1, f"{during}: {process.argv[2:]} said so {len(said)} times")
        arena.demand("Traceback" not in process.output(), f"{during}: {process.argv[2:]} printed a traceback")
    arena.servers.rabbit.ctl(*shlex.split(cure)[1:])
    arena.demand_end_but_for(0, f"{during}: the cure did not help", seconds=BACK_WITHIN)
    arena.demand_soon(lambda: complaining(arena, "") == 0, f"{during}: still said after the cure", seconds=BACK_WITHIN)
    for process in crew:
        arena.demand(process.stop(deadline=DEADLINE_SECONDS) == 0, f"{during}: {process.argv[2:]} did not end in order")


def complaining(arena: Arena, words: str) -> int:
    """How many processes show, among the workers, that they wait because of it."""
    alike = "SELECT COUNT(*) FROM notifier_process WHERE state = 'WAITING' AND detail LIKE %s"
    return int(arena.stack.query(alike, f"%{words}%")[0][0])


def declare(arena: Arena, queue: str, arguments: dict[str, object]) -> None:
    with pika.BlockingConnection(pika.URLParameters(arena.broker_url)) as connection:
        channel = connection.channel()
        channel.queue_delete(queue)
        channel.queue_declare(queue, durable=True, arguments=arguments)
