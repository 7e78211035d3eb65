"""A broadcast to a saved audience, whose clients change while its dispatchers are killed."""

import json
from typing import Any

from tests.faults.arena import DISPATCHER, Arena
from tests.faults.attack import attack
from tests.support.servers.processes import Process

CHUNK = 50
TAG, NAME = "Arena", "Those in the arena"


@attack(
    24, "clients join and leave an audience between two chunks, and the dispatcher is killed", EXPAND_CHUNK=str(CHUNK)
)
def change_the_audience(arena: Arena) -> None:
    everybody = range(1, arena.size.clients + 1)
    before, after = (set(arena.dice.sample(everybody, len(everybody) // 2)) for _ in range(2))
    make_audience(arena)
    give_tag(arena, before)
    dispatcher = stop_between_chunks(arena)
    broadcast = arena.press("--audience", NAME)
    arena.wait_until(dispatcher.is_stopped, what="the stop between two chunks")
    ((cursor,),) = arena.stack.query("SELECT cursor FROM notifier_broadcast WHERE id = %s", broadcast)

    give_tag(arena, after)
    dispatcher.kill()
    arena.faults["kill between two chunks"] += 1
    arena.hire(DISPATCHER)
    # Who was in it when its chunk was expanded: the judge reads no conditions, it knows whom we gave the tag.
    members = {pk for pk in everybody if pk in (before if pk <= cursor else after)}
    arena.hold_to(broadcast, only=members)
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)


def stop_between_chunks(arena: Arena) -> Process:
    chunks = arena.dice.randrange(1, max(2, arena.size.clients // CHUNK))
    arena.start(dispatchers=0)
    return arena.hire(DISPATCHER, FAILPOINT=f"expand.committed:{chunks}:stop")


def make_audience(arena: Arena) -> None:
    tag = make_tag(arena, TAG)
    save_audience(arena, NAME, {"version": 1, "join": "all", "parts": [{"about": "tag", "id": tag, "is": "has"}]})


def make_tag(arena: Arena, name: str) -> int:
    arena.stack.query(
        "INSERT INTO notifier_tag (name, folded, created_at) VALUES (%s, %s, '2026-01-01')", name, name.lower()
    )
    ((tag,),) = arena.stack.query("SELECT id FROM notifier_tag WHERE name = %s", name)
    return int(tag)


def save_audience(arena: Arena, name: str, document: dict[str, Any]) -> None:
    arena.stack.query(
        "INSERT INTO notifier_savedaudience (name, folded, description, document, created_at, updated_at) "
        "VALUES (%s, %s, '', %s, '2026-01-01', '2026-01-01')",
        *(name, name.lower(), json.dumps(document)),
    )


def give_tag(arena: Arena, clients: set[int]) -> None:
    """To these, and to nobody else."""
    arena.stack.query("DELETE FROM notifier_clienttag")
    ids = ", ".join(map(str, sorted(clients)))
    arena.stack.query(
        "INSERT INTO notifier_clienttag (client_id, tag_id) SELECT c.id, t.id FROM notifier_client c, notifier_tag t "
        f"WHERE t.name = %s AND c.id IN ({ids})",
        TAG,
    )
