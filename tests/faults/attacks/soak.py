"""Broadcast after broadcast with faults by chance, while every process is watched for what it fails to give back."""

import itertools
import sqlite3
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.arena import DEADLINE_SECONDS, ROLES, SHORT_LEASE, WINDOW, Arena, Patience, Staff
from tests.faults.attack import attack
from tests.faults.servers import Engine
from tests.support.fakes.rules import Rule

#: By how much the line through a process's memory may rise from the end of the first quarter, by when its caches are
#: full, to the end of the round. A minute's line is as steep as its last allocation; an hour's is not.
MAX_GROWTH_KB = 3_000
MAX_GROWTH_KB_IN_SHORT = 10_000
#: SQLite keeps so much of the database in each process (its `cache_size`): it grows with the file for hours before that
#: is full. With 1 MB instead the same processes grew by less than 700 kB in half an hour.
PAGES_KB = 20_000
#: The share of a long round's turns in which something happens that takes seconds.
RARELY = 0.02
KILLED = "kill -9 a consumer that came later"
#: From so many seconds on a round is long enough to be held to the stricter one.
LONG_SECONDS = 600.0
#: Files and threads come and go with connections; a leak makes more.
MAX_MORE = 6
#: However slow the machine: a process that is looked at but three times is now and then seen between two connections.
MIN_LOOKS = 16
#: A dispatcher publishes and looks, a consumer consumes and looks.
CONNECTIONS_EACH = 2
#: What the last fault, or the last look of ours, has left behind is gone by then; a leak stays.
CLOSED_SECONDS = 15.0
#: The clients' own: who vacuums a database, as the server does by itself, counts as connected to it as well.
SESSIONS = """
    SELECT pid, state, left(query, 60) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
"""


@dataclass(frozen=True)
class Sample:
    kilobytes: int
    files: int
    threads: int


def sample(pid: int) -> Sample:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Sample(int(status["VmRSS"].split()[0]), files, int(status["Threads"]))


@attack(22, "soak: random faults, nothing leaks", base=SHORT_LEASE)
def soak(arena: Arena) -> None:
    arena.start()
    working = [process for role in ROLES for process in arena.crew(role)]
    for process in working:
        arena.wait_for_sign_of_life(process)
    with arena.staff() as staff:
        (web,) = set(arena.stack.processes) - set(working)
        (worker,) = _children(web.pid)
        watched = {**{process.pid: " ".join(process.argv[2:]) for process in working}, worker: "the web server"}
        samples: dict[int, list[Sample]] = defaultdict(list)
        ends_at = time.monotonic() + arena.size.soak_seconds
        for look in itertools.count():
            if look >= MIN_LOOKS and time.monotonic() > ends_at:
                break
            arena.keep_busy()
            if arena.size.is_long and arena.dice.random() < RARELY:
                _rare_fault(arena)
            _fault(arena)
            _look_around(arena, staff)
            for pid in watched:
                with suppress(FileNotFoundError):  # it died: the judge, or the demand below, will say so
                    samples[pid].append(sample(pid))
            arena.pause(0.2, 0.6)
    arena.demand(_children(web.pid) == [worker], f"the web server's worker was replaced: {web.output()[-500:]}")
    web.stop(deadline=DEADLINE_SECONDS)
    _behave(arena)
    arena.wait_for_end()
    for process in working:
        arena.demand(process.is_running(), f"{process.argv[2:]} ended: {process.output()[-500:]}")
    for pid, name in watched.items():
        found = leaks(samples[pid], most_kilobytes=_most_growth(arena))
        arena.demand(not found, f"{name} does not give back {found}")
    _demand_few_connections(arena, len(working))
    # Whoever is killed has begun a window at most.
    arena.judge(unknown_at_most=WINDOW * arena.faults[KILLED])


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


#: 503 in plain words: the database was taken away just then.
ANSWERS = (200, 503)


def _look_around(arena: Arena, staff: Staff) -> None:
    """The overview and a broadcast's page, as staff have them open all day."""
    ((latest,),) = arena.stack.query("SELECT MAX(id) FROM notifier_broadcast")
    for path in ("/admin/", f"/admin/notifier/broadcast/{latest}/progress/"):
        status = staff.ask(path).status_code
        arena.demand(status in ANSWERS, f"{path} answered {status}")


def _behave(arena: Arena) -> None:
    arena.smtp.behave(Rule(phase="dot", delay=0.02))
    arena.sms.behave(Rule(phase="request", delay=0.02))


def _fault(arena: Arena) -> None:
    """One fault, none of which may leave a delivery in doubt: those are other attacks'."""
    _behave(arena)
    slow = Rule(phase="dot", delay=0.02)
    faults: dict[str, Callable[[], object]] = {
        "mailboxes busy": lambda: arena.smtp.behave(Rule(phase="rcpt", reply="450 4.2.1 busy", times=3), slow),
        "mail server busy": lambda: arena.smtp.behave(Rule(phase="connect", reply="421 4.3.2 busy", times=2), slow),
        "dropped before the dot": lambda: arena.smtp.behave(Rule(phase="data", then="drop", times=2), slow),
        "SMS refused for now": lambda: arena.sms.behave(Rule(phase="request", status=429, times=3)),
    }
    if arena.engine is Engine.SCALED:
        server = arena.servers.postgres
        faults["database connections ended"] = lambda: server.terminate_backends(arena.stack.database_url)
        faults["broker connections closed"] = lambda: arena.servers.rabbit.close_connections(arena.broker_url)
    else:
        faults["database locked"] = lambda: _hold_lock(arena)
    name = arena.dice.choice(sorted(faults))
    faults[name]()
    arena.faults[name] += 1


def _rare_fault(arena: Arena) -> None:
    """What takes seconds: a consumer comes, works for a while and is killed; or what all of them need is away."""
    _behave(arena)
    rare: dict[str, Callable[[Arena], None]] = {KILLED: _kill_a_guest, "both providers away": _providers_away}
    if arena.engine is Engine.SCALED:
        rare["broker stopped"] = _broker_stopped
    name = arena.dice.choice(sorted(rare))
    rare[name](arena)
    arena.faults[name] += 1


def _kill_a_guest(arena: Arena) -> None:
    """Not one of those that are watched."""
    guest = arena.hire(arena.dice.choice(ROLES[1:]))
    arena.wait_for_sign_of_life(guest)
    arena.keep_busy()
    arena.pause(0.2, 2)
    guest.kill()


def _providers_away(arena: Arena) -> None:
    arena.smtp.behave(Rule(phase="connect", reply="421 4.3.2 away"), Rule(phase="mail", then="drop"))
    arena.sms.behave(Rule(phase="request", status=503))
    arena.pause(2, 5)


def _broker_stopped(arena: Arena) -> None:
    arena.servers.rabbit.stop_app()
    try:
        arena.pause(2, 5)
    finally:
        arena.servers.rabbit.start_app()


def _hold_lock(arena: Arena) -> None:
    path = arena.stack.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(0.5)
        connection.execute("ROLLBACK")


def _most_growth(arena: Arena) -> int:
    if arena.size.soak_seconds < LONG_SECONDS:
        return MAX_GROWTH_KB_IN_SHORT
    return MAX_GROWTH_KB + (PAGES_KB if arena.engine is Engine.EMBEDDED else 0)


def leaks(samples: Sequence[Sample], *, most_kilobytes: int) -> list[str]:
    """What a process that was sampled at even intervals fails to give back: `["memory: 4,100 kB more"]`."""
    settled = samples[len(samples) // 4 :]
    half, third = max(1, len(settled) // 2), max(1, len(settled) // 3)
    found = []
    growth = _rise([one.kilobytes for one in settled])
    if growth > most_kilobytes:
        found.append(f"memory: {growth:,.0f} kB more, on {settled[0].kilobytes:,} kB")
    for what, number in (("files", lambda one: one.files), ("threads", lambda one: one.threads)):
        first, last = max(map(number, settled[:half])), max(map(number, settled[-third:]))
        if last > first + MAX_MORE:
            found.append(f"{what}: {last} at the end, {first} before")
    return found


def _rise(values: Sequence[int]) -> float:
    """How far the straight line of least squares rises over all of them."""
    if len(values) < 2:
        return 0.0
    return statistics.linear_regression(range(len(values)), values).slope * (len(values) - 1)


def _demand_few_connections(arena: Arena, processes: int) -> None:
    if arena.engine is not Engine.SCALED:
        return
    name = arena.stack.database_url.rpartition("/")[2]
    _demand_few(arena, processes, "sessions", lambda: len(arena.servers.postgres.execute(SESSIONS, name)))
    _demand_few(
        arena,
        CONNECTIONS_EACH * processes,
        "connections to the broker",
        lambda: arena.servers.rabbit.connections(arena.broker_url),
    )


def _demand_few(arena: Arena, most: int, what: str, look: Callable[[], int]) -> None:
    patience = Patience(arena, CLOSED_SECONDS)
    while (held := look()) > most:
        if patience.is_over():
            return arena.complaints.append(f"more than {most} {what}: {held}")
    return None
