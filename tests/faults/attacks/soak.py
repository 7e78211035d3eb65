"""Broadcast after broadcast with faults by chance, while every process is watched for what it fails to give back."""

import sqlite3
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.arena import ROLES, Arena
from tests.faults.attack import attack
from tests.faults.servers import Engine
from tests.servers.processes import Process, wait_until
from tests.standins.rules import Rule

#: From the first good quarter to the last, no process may grow by more: caches fill, and a leak goes on.
MOST_GROWTH_KB = 10_000
MOST_GROWTH_SHARE = 0.1
#: Files and threads come and go with connections; a leak makes more.
MOST_MORE = 6
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


@attack(22, "soak: random faults, nothing leaks")
def soak(arena: Arena) -> None:
    arena.start()
    watched = [process for role in ROLES for process in arena.crew(role)]
    for process in watched:
        arena.wait_for_sign_of_life(process)
    samples: dict[Process, list[Sample]] = defaultdict(list)
    ends_at = time.monotonic() + arena.size.soak_seconds
    while time.monotonic() < ends_at:
        arena.keep_busy()
        _fault(arena)
        for process in watched:
            with suppress(FileNotFoundError):  # it died: the judge, or the demand below, will say so
                samples[process].append(sample(process.pid))
        arena.pause(0.2, 0.6)
    _behave(arena)
    arena.wait_for_end()
    for process in watched:
        arena.demand(process.is_running(), f"{process.argv[2:]} ended: {process.output()[-500:]}")
        _demand_no_leak(arena, process, samples[process])
    _demand_few_connections(arena, len(watched))
    arena.judge(unknown_at_most=0)


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
        faults["database connections ended"] = server.terminate_backends
        faults["broker connections closed"] = lambda: arena.servers.rabbit.ctl("close_all_connections", "soak")
    else:
        faults["database locked"] = lambda: _hold_lock(arena)
    name = arena.dice.choice(sorted(faults))
    faults[name]()
    arena.faults[name] += 1


def _hold_lock(arena: Arena) -> None:
    path = arena.stack.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(0.5)
        connection.execute("ROLLBACK")


def _demand_no_leak(arena: Arena, process: Process, samples: list[Sample]) -> None:
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    before = statistics.median(one.kilobytes for one in early)
    after = statistics.median(one.kilobytes for one in late)
    most = before + max(MOST_GROWTH_KB, MOST_GROWTH_SHARE * before)
    arena.demand(after <= most, f"{process.argv[2:]} grew from {before:.0f} to {after:.0f} kB")
    for what, number in (("files", lambda one: one.files), ("threads", lambda one: one.threads)):
        first, last = max(map(number, early)), max(map(number, late))
        arena.demand(last <= first + MOST_MORE, f"{process.argv[2:]} had {first} {what} open, and {last} at the end")


def _demand_few_connections(arena: Arena, processes: int) -> None:
    if arena.engine is not Engine.SCALED:
        return
    name = arena.stack.database_url.rpartition("/")[2]
    _demand_few(arena, processes, "sessions", lambda: arena.servers.postgres.execute(SESSIONS, name))
    vhost = arena.broker_url.rpartition("/")[2]
    _demand_few(
        arena,
        CONNECTIONS_EACH * processes,
        "connections to the broker",
        lambda: [line for line in arena.servers.rabbit.ctl("list_connections", "vhost").split() if line == vhost],
    )


def _demand_few(arena: Arena, most: int, what: str, look: Callable[[], Sequence[object]]) -> None:
    with suppress(AssertionError):
        wait_until(lambda: len(look()) <= most, deadline=CLOSED_SECONDS)
    held = look()
    arena.demand(len(held) <= most, f"more than {most} {what}: {held}")
