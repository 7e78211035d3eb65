"""Tickets that are none, that are somebody else's, or that come a thousand times, put straight into the queues."""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pika

from tests.faults.arena import EMAIL, SMS, Arena
from tests.faults.attack import attack
from tests.faults.servers import Engine
from tests.support.servers.processes import Process

#: Of one and the same ticket in a round.
COPIES = 1000
COPIES_SHORT = 100
OVERSIZE_BYTES = 20_000_000
#: The allocator may keep the room of the largest body that it held, and of no second one. A leak would keep all.
GROWTH_BYTES = 25_000_000
#: Tells the C library to give a large piece of memory back at once. Left to itself it keeps one or two for the next.
EXACT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "131072"}
#: Stands in the bodies, and may stand in no log: it could be anybody's address.
SECRET = "ann@example.com"
MISSING = 10**12
DEADLINE_SECONDS = 60.0

Body = dict[str, Any]


class QueueMessage(NamedTuple):
    channel: str
    body: bytes


@dataclass(frozen=True)
class Kind:
    """A way in which a ticket can be wrong. `make` takes a good one, and chance."""

    name: str
    make: Callable[[Random, Body], bytes]


def dump(body: Any) -> bytes:
    return json.dumps(body).encode()


# --- What can't be read: it goes to the dead letters ------------------------------------------------------------------
WRONG: Mapping[str, Sequence[Any]] = {
    "v": ["1", None, 1.5, [1], True, SECRET],
    "broadcast": ["7", None, True, 7.5, [7], {}, SECRET],
    "channel": [7, None, True, ["email"], "EMAIL", "", SECRET],
    "deliveries": [101, "101", None, {}, ["101"], [None], [1.5], [True], [[101]], {"101": 101}, [SECRET]],
}


def bad_json(dice: Random, good: Body) -> bytes:
    text = dump(good)
    cut = text[: dice.randrange(len(text))]
    return dice.choice([b"", b"hello", b"{", cut, text + b"}", b"\0" + text, text.replace(b'"', b"'"), SECRET.encode()])


def wrong_types(dice: Random, good: Body) -> bytes:
    name = dice.choice(list(WRONG))
    whole = dice.choice([[good], None, 7, SECRET, dump(good).decode()])
    return dump(dice.choice([good | {name: dice.choice(WRONG[name])}] * 4 + [whole]))


def missing_or_unknown_field(dice: Random, good: Body) -> bytes:
    name = dice.choice(["broadcast", "channel", "deliveries"])
    less = {key: value for key, value in good.items() if key != name}
    return dump(dice.choice([less, good | {SECRET: 1}, {}]))


def no_number(dice: Random, good: Body) -> bytes:
    number = dice.choice([b"NaN", b"Infinity", b"-Infinity", b"1e400", b"1e-3", b"01", b"0x10"])
    return dump(good | {dice.choice(["v", "broadcast", "deliveries"]): "@"}).replace(b'"@"', number)


def deep_nesting(dice: Random, good: Body) -> bytes:
    depth = dice.choice([100, 2000, 7000])
    nested = dice.choice([b"[" * depth + b"]" * depth, b"[" * depth, b'{"a":' * (depth // 3)])
    return dice.choice([nested, dump(good | {"deliveries": "@"}).replace(b'"@"', nested)])


def not_utf8(dice: Random, good: Body) -> bytes:
    broken = dump(good | {"channel": "@"}).replace(b"@", dice.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80"]))
    return dice.choice([broken, json.dumps(good).encode("utf-16"), bytes(dice.randbytes(200)), b"\xff" + dump(good)])


def unknown_version(dice: Random, good: Body) -> bytes:
    return dump(good | {"v": dice.choice([0, 2, -1, 2**31, 10**30])})


def impossible_ids(dice: Random, good: Body) -> bytes:
    number = dice.choice([0, -1, 2**63, 10**400])
    many = {"deliveries": list(range(1, 102))}
    return dump(good | dice.choice([{"deliveries": [number]}, {"broadcast": number}, many, {"deliveries": []}]))


def oversize(dice: Random, good: Body) -> bytes:
    return dice.choice([dump(good).ljust(OVERSIZE_BYTES), b"[" * OVERSIZE_BYTES, dice.randbytes(OVERSIZE_BYTES)])


def of_another_channel(_: Random, good: Body) -> bytes:
    return dump(good | {"channel": "sms" if good["channel"] == "email" else "email"})


OVERSIZE = Kind("20 MB", oversize)
UNREADABLE = (
    Kind("bad JSON", bad_json),
    Kind("wrong types", wrong_types),
    Kind("missing or unknown field", missing_or_unknown_field),
    Kind("NaN", no_number),
    Kind("deep nesting", deep_nesting),
    Kind("not UTF-8", not_utf8),
    Kind("unknown version", unknown_version),
    Kind("impossible ids", impossible_ids),
    Kind("another channel", of_another_channel),
)


# --- What can be read and claims nothing ------------------------------------------------------------------------------
def missing_ids(dice: Random, good: Body) -> bytes:
    missing = [MISSING + dice.randrange(1000) for _ in range(dice.randrange(1, 100))]
    return dump(good | dice.choice([{"deliveries": missing}, {"broadcast": MISSING}, {"deliveries": [2**63 - 1]}]))


def one_id_many_times(_: Random, good: Body) -> bytes:
    return dump(good | {"deliveries": good["deliveries"][:1] * 100})


READABLE = (Kind("missing ids", missing_ids), Kind("one id many times", one_id_many_times))


@attack(15, "tickets that are none, somebody else's, or come a thousand times")
def odd_tickets(arena: Arena) -> None:
    arena.slow_providers(0.02)
    # Two a channel, who come by the same rows at the same moment.
    arena.start(email=2, sms=2, **EXACT_MEMORY)  # type: ignore[arg-type]  # only settings
    queues = _Queues(arena)
    broadcasts = [arena.press(), arena.press()]
    tickets = _good_tickets(arena, broadcasts)
    crew = [*arena.crew(EMAIL), *arena.crew(SMS)]
    large, same = arena.dice.choice(tickets), arena.dice.choice(tickets)
    # Once through all of it, so that what they take for it, and for the first time, is not counted.
    unreadable = _storm(arena, queues, tickets, large=large, same=same)
    before = {process.pid: _memory(process) for process in crew}
    unreadable += _storm(arena, queues, tickets, large=large, same=same)
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)
    for process in crew:
        _judge_consumer(arena, process, before[process.pid])
    arena.demand(queues.dead() == unreadable, f"{unreadable} can’t be read, and {queues.dead()} are dead letters")
    told = sum(process.output().count("can’t be read") for process in crew)
    arena.demand(told == unreadable, f"{unreadable} can’t be read, and {told} lines of the logs say so")


def _good_tickets(arena: Arena, broadcasts: Sequence[int]) -> list[Body]:
    """As the dispatcher would issue them, for the first deliveries of each broadcast and channel."""
    tickets = []
    for broadcast in broadcasts:
        for channel in ("email", "sms"):
            ids = _ids(arena, broadcast, channel)
            tickets.append({"v": 1, "broadcast": broadcast, "channel": channel, "deliveries": ids})
    return tickets


def _ids(arena: Arena, broadcast: int, channel: str) -> list[int]:
    made = "SELECT id FROM notifier_delivery WHERE broadcast_id = %s AND channel = %s ORDER BY id LIMIT 5"
    arena.demand_soon(
        lambda: len(arena.stack.query(made, broadcast, channel)) == 5, "nothing was expanded", seconds=DEADLINE_SECONDS
    )
    return [pk for (pk,) in arena.stack.query(made, broadcast, channel)]


def _storm(arena: Arena, queues: "_Queues", tickets: Sequence[Body], *, large: Body, same: Body) -> int:
    """Everything that a ticket can be, in any order, and half of the copies of one of them.

    Returns how many can't be read, once all were handled.
    """
    dice = arena.dice
    letters = [
        QueueMessage(large["channel"], OVERSIZE.make(dice, large)) for _ in range(max(1, arena.size.faults // 4))
    ]
    arena.faults[OVERSIZE.name] += len(letters)
    for kind in UNREADABLE * max(1, arena.size.faults // 3):
        good = dice.choice(tickets)
        letters.append(QueueMessage(good["channel"], kind.make(dice, good)))
        arena.faults[kind.name] += 1
    unreadable = len(letters)
    for kind in READABLE * max(1, arena.size.faults // 3):
        good = dice.choice(tickets)
        letters.append(QueueMessage(good["channel"], kind.make(dice, good)))
        arena.faults[kind.name] += 1
    letters += _foreign(arena, tickets)
    copies = (COPIES if arena.size.is_long else COPIES_SHORT) // 2
    letters += [QueueMessage(same["channel"], dump(same))] * copies
    arena.faults["the same ticket again"] += copies
    dice.shuffle(letters)
    expected = queues.dead() + unreadable
    queues.put(letters)
    is_over = lambda: queues.dead() >= expected and not queues.waiting()  # noqa: E731
    arena.demand_soon(is_over, f"{expected} dead letters were expected", seconds=DEADLINE_SECONDS)
    return unreadable


def _foreign(arena: Arena, tickets: Sequence[Body]) -> list[QueueMessage]:
    """Each names the deliveries of every other: of another broadcast, of another channel, of both."""
    mixed = [mine | {"deliveries": other["deliveries"]} for mine in tickets for other in tickets if mine is not other]
    arena.faults["foreign ids"] += len(mixed)
    return [QueueMessage(body["channel"], dump(body)) for body in mixed]


def _judge_consumer(arena: Arena, process: Process, before: int) -> None:
    arena.demand(process.is_running(), f"{process.argv[2:]} ended: {process.output()[-500:]}")
    if process.is_running():
        growth = _memory(process) - before
        arena.demand(growth < GROWTH_BYTES, f"{process.argv[2:]} grew by {growth:,} bytes, from {before:,}")
    faults = re.findall(r".*(?:Traceback|Next try|Trying again|could not be handled).*", process.output())
    arena.demand(not faults, f"{process.argv[2:]} took odd tickets for a fault: {faults[:3]}")
    arena.demand(SECRET not in process.output(), f"{process.argv[2:]} quotes what it was given")


def _memory(process: Process) -> int:
    """Resident, in bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found, f"process {process.pid} has no memory"
    return int(found[1]) * 1024


class _Queues:
    """The product's own queues, whichever they are, past the product."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._is_amqp = arena.engine is Engine.SCALED

    def put(self, letters: Sequence[QueueMessage]) -> None:
        if self._is_amqp:
            with closing(pika.BlockingConnection(pika.URLParameters(self._arena.broker_url))) as connection:
                channel = connection.channel()
                # Without confirms a quorum queue loses some when the channel closes (27 of 174, seen with 3.10).
                channel.confirm_delivery()
                for letter in letters:
                    channel.basic_publish("notifier", letter.channel, letter.body)
            return
        path = self._arena.stack.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=20)) as database, database:
            database.executemany(
                "INSERT INTO notifier_queuedticket (channel, body, available_at, dead) "
                "VALUES (?, ?, CURRENT_TIMESTAMP, false)",
                letters,
            )

    def dead(self) -> int:
        if self._is_amqp:
            return self._count("dead")
        return self._rows(is_dead=True)

    def waiting(self) -> int:
        if self._is_amqp:
            return self._count("email") + self._count("sms")
        return self._rows(is_dead=False)

    def _rows(self, *, is_dead: bool) -> int:
        # By the index: the flag stands behind the body, and SQLite would read 20 MB to get there.
        counted = "SELECT COUNT(*) FROM notifier_queuedticket WHERE channel IN ('email', 'sms') AND dead = %s"
        return int(self._arena.stack.query(counted, is_dead)[0][0])

    def _count(self, key: str) -> int:
        with closing(pika.BlockingConnection(pika.URLParameters(self._arena.broker_url))) as connection:
            return int(connection.channel().queue_declare(f"notifier.{key}", passive=True).method.message_count)
