"""What two connections do to the same rows of PostgreSQL at once."""

import json
import re
import subprocess
import sys
import time

import psycopg

from tests.faults.arena import DEADLINE_SECONDS, EMAIL, SMS, Arena
from tests.faults.attack import SCALED, attack
from tests.support.servers.stack import PROJECT

#: Enough for several windows a channel.
CLIENTS = 70
#: What the consumer says of results that it could not record.
KEPT = re.compile(r"Results can’t be recorded, kept and tried again.*deadlock detected")


# A lease that a busy consumer keeps to: what it could not begin in time, and was swept meanwhile, has failed for good.
@attack(
    21,
    "two connections race for the same rows; a deadlock in settle",
    engines=SCALED,
    EXPAND_CHUNK="10",
    LEASE_SECONDS="60",
)
def race(arena: Arena) -> None:
    for column, table in (("client_id", "notifier_preference"), ("id", "notifier_client")):
        arena.stack.query(f"DELETE FROM {table} WHERE {column} > %s", CLIENTS)
    _run_races(arena)
    arena.stack.query(PATIENCE)
    arena.slow_providers(0.2)
    arena.start()
    for _ in range(max(1, arena.size.faults // 3)):
        _deadlock_settle(arena)
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)


def _run_races(arena: Arena) -> None:
    rounds = max(1, arena.size.faults // 3)
    chance = ["--seed", str(arena.dice.random()), "--rounds", str(rounds)]
    argv = [sys.executable, "-m", "tests.faults.product.races", *chance]
    done = subprocess.run(
        argv,
        cwd=PROJECT,
        env=arena.stack.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS * rounds,
    )
    (arena.stack.folder / "races.log").write_text(done.stderr)
    if done.returncode:
        raise AssertionError(f"the races ended with {done.returncode}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    arena.complaints += found["complaints"]
    arena.faults.update(found["done"])
    for broadcast in found["broadcasts"]:
        arena.hold_to(broadcast)
    for broadcast in found["cancelled"]:
        arena.hold_to(broadcast, ends="CANCELLED")
    for broadcast, clients in found["partial"]:
        arena.hold_to(broadcast, upto=clients)


# --- A deadlock in settle ---------------------------------------------------------------------------------------------
#: How long a session waits for a lock before it looks for a deadlock, once, and gives way. Ours never does.
PATIENCE = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 300', current_database()); END $$"
OUR_PATIENCE = "SET deadlock_timeout = '60s'"
IN_HAND = """
    SELECT array_agg(id) FROM notifier_delivery WHERE state = 'SENDING'
    GROUP BY lease_token HAVING COUNT(*) > 1 ORDER BY MAX(due_at) DESC LIMIT 1
"""
FREE = "SELECT id FROM notifier_delivery WHERE id = ANY(%s) AND id <> %s FOR UPDATE SKIP LOCKED"
ONE = "SELECT id FROM notifier_delivery WHERE id = %s FOR UPDATE"
BLOCKED_BY_US = "SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"


def _deadlock_settle(arena: Arena) -> None:
    """Until a consumer's settle was the one to give way. Its results are kept, and recorded the next time."""
    before = _kept(arena)
    arena.wait_until(lambda: _cross_a_settle(arena) and _kept(arena) > before, what="a deadlock in settle")
    arena.faults["deadlock in settle"] += 1


def _kept(arena: Arena) -> int:
    return sum(len(KEPT.findall(process.output())) for role in (EMAIL, SMS) for process in arena.crew(role))


def _cross_a_settle(arena: Arena) -> bool:
    """Lock a row of a window that is being sent; once its settle waits for it, want one that the settle has locked."""
    arena.keep_busy(least=20)
    with psycopg.connect(arena.stack.database_url) as ours:
        ours.execute(OUR_PATIENCE)
        row = ours.execute(IN_HAND).fetchone()
        if row is None:
            return False
        wanted = arena.dice.choice(row[0])
        ours.execute(ONE, [wanted])
        if not _is_met(ours):
            return False
        free = {pk for (pk,) in ours.execute(FREE, [row[0], wanted])}
        locked = set(row[0]) - free - {wanted}
        if not locked:  # ours was the first that it came to
            return False
        ours.execute(ONE, [min(locked)])
        return True


def _is_met(ours: psycopg.Connection) -> bool:
    """Whether somebody waits for us, before long: that window may be settled already."""
    ends_at = time.monotonic() + 1
    while time.monotonic() < ends_at:
        if ours.execute(BLOCKED_BY_US).fetchone():
            return True
        time.sleep(0.01)
    return False
