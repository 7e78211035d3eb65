"""Two processes of the product that do to the same rows, in tight loops, what they must be able to do at once.

    python -m tests.faults.product.races --seed 7 --rounds 3

Prints JSON: the broadcasts it made, for the judge; what was done how often; and what is wrong with it. Started by
attacks/races.py, in the environment of its arena, whose providers get what is sent.
"""

import argparse
import json
import multiprocessing
import random
import sys
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.utils.module_loading import import_string

from consumers.sender import Sender
from consumers.worker import Consumer
from notifier.broadcasts import lifecycle, schedules, undo
from notifier.delivery import claims, fanout, recovery, settlements, sweeps, tallies, tickets
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Broadcast, Channel, Delivery, Notification
from notifier.runtime import clock
from notifier.runtime.shutdown import StopFlag
from notifier.transport import selection
from notifier.transport.base import Ticket

#: A race that takes longer hangs.
SECONDS = 60.0
#: The children share nothing but what they are started with: no copied connection, no thread.
FORK = multiprocessing.get_context("fork")
State = Delivery.State
#: How often one race of finish and retry repeats.
CYCLES = 8


@dataclass
class Found:
    broadcasts: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    #: Those that go to a part of the clients only, and up to which.
    partial: list[tuple[int, int]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def complain_unless(self, is_so: object, otherwise: str) -> None:
        if not is_so:
            self.complaints.append(otherwise)


Runner = Callable[[random.Random], Any]


def at_once(dice: random.Random, *runners: Runner) -> list[Any]:
    """What each returned, each in a process of its own, all let go together. Raises what any of them raised."""
    connection.close()
    start = FORK.Barrier(len(runners))
    pipes = [FORK.Pipe(duplex=False) for _ in runners]
    children = [
        FORK.Process(target=_run, args=(runner, random.Random(dice.random()), start, sender), daemon=True)
        for runner, (_, sender) in zip(runners, pipes, strict=True)
    ]
    for child in children:
        child.start()
    results: list[Any] = [receiver.recv() if receiver.poll(SECONDS) else "it hangs" for receiver, _ in pipes]
    for child in children:
        child.kill()
        child.join()
    if failures := [result for result in results if isinstance(result, str)]:
        raise RuntimeError("\n".join(failures))
    return [value for (value,) in results]


def _run(runner: Runner, dice: random.Random, start: Barrier, result: Any) -> None:
    try:
        connection.ensure_connection()
        start.wait(SECONDS)
        result.send((runner(dice),))
    except Exception:  # noqa: BLE001  (told by the parent)
        result.send(traceback.format_exc())
    finally:
        connection.close()


# --- What the processes do ------------------------------------------------------------------------------------------
def send_all(broadcast: int) -> Runner:
    """A consumer that is given ticket after ticket for the same rows, whosever they are, until none is PENDING."""

    def run(dice: random.Random) -> Counter[str]:
        sent: Counter[str] = Counter()
        for channel in dice.sample(list(Channel), len(Channel)):
            with _Consumer(channel) as consumer:
                rows = Delivery.objects.filter(broadcast=broadcast, channel=channel)
                while ids := list(rows.filter(state=State.PENDING).order_by("pk").values_list("pk", flat=True)):
                    for window in _windows(ids, dice):
                        sent.update(outcome.verdict.value for outcome in consumer.work(broadcast, window))
        return sent

    return run


class _Consumer:
    """The product's own, whose loop is ours."""

    def __init__(self, channel: Channel) -> None:
        threads = settings.CONCURRENCY[channel.value]
        self._sender = Sender(get_backend=import_string(settings.SEND_BACKENDS[channel.value]), threads=threads)
        self._consumer = Consumer(
            channel=channel,
            transport=selection.get_transport(),
            sender=self._sender,
            concurrency=threads,
            stop=StopFlag(),
        )

    def __enter__(self) -> "_Consumer":
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.close()

    def work(self, broadcast: int, window: Sequence[int]) -> Sequence[Outcome]:
        return self._consumer._work_window(broadcast, window)


def _windows(ids: Sequence[int], dice: random.Random) -> Iterator[list[int]]:
    """Overlapping ones, mostly in order: both processes come by the same rows at about the same time."""
    size = settings.CONCURRENCY["email"]
    for start in range(0, len(ids), size):
        first = max(0, start - dice.randrange(size))
        yield list(ids[first : first + size])


class Void:
    """A broker that takes every ticket and gives none: the other process makes its own."""

    def publish(self, tickets: Sequence[Ticket]) -> None:
        pass

    def receive(self, channel: Channel, idle: float) -> Iterator[None]:
        return iter(())

    def depth(self, channel: Channel) -> int:
        return 0

    def close(self) -> None:
        pass


VOID: Any = Void()


def reserve_all(broadcast: int) -> Runner:
    """A dispatcher to whom everything is due all the time, as after its tickets' lifetime."""

    def run(dice: random.Random) -> Counter[str]:
        reserved: Counter[str] = Counter()
        ahead = timedelta()
        while Delivery.objects.filter(broadcast=broadcast, state=State.PENDING).exists():
            ahead += timedelta(seconds=settings.TICKET_LIFETIME_SECONDS + 1)
            for channel in Channel:
                reserved["reserved"] += tickets.issue_tickets(channel=channel, transport=VOID, now=clock.now() + ahead)
        return reserved

    return run


def sweep_and_end(broadcast: int) -> Runner:
    """A dispatcher for whom every lease is over at once, and every broadcast as soon as nothing is left to do."""

    def run(dice: random.Random) -> Counter[str]:
        swept: Counter[str] = Counter()
        unsent = Delivery.objects.filter(broadcast=broadcast).exclude(state__in=[State.SENT, State.SKIPPED])
        while unsent.exclude(state=State.FAILED).exists():
            now = clock.now()
            swept["swept"] += sweeps.sweep(now=now + timedelta(seconds=1.5 * settings.LEASE_SECONDS))
            _end(broadcast)
        _end(broadcast)
        return swept

    return run


def _end(broadcast: int) -> None:
    tallies.finish(broadcast_id=broadcast, now=clock.now())
    if Broadcast.objects.to_tally().filter(pk=broadcast).exclude(finished_at=None).exists():
        tallies.tally(broadcast_id=broadcast, now=clock.now())


def expand_all(broadcast: int) -> Runner:
    def run(dice: random.Random) -> Counter[str]:
        made: Counter[str] = Counter()
        while Broadcast.objects.to_expand().filter(pk=broadcast).exists():
            made["rows"] += fanout.expand(broadcast_id=broadcast, now=clock.now()) or 0
        return made

    return run


# --- The races ------------------------------------------------------------------------------------------------------
def claim_claim(found: Found, dice: random.Random) -> None:
    broadcast = _press(found, expanded=True)
    sent = at_once(dice, send_all(broadcast), send_all(broadcast))
    found.done["claim × claim"] += 1
    found.complain_unless(all(sent), f"claim × claim was no race: {sent}")


def claim_reserve(found: Found, dice: random.Random) -> None:
    broadcast = _press(found, expanded=True)
    sent, reserved = at_once(dice, send_all(broadcast), reserve_all(broadcast))
    found.done["claim × reserve"] += 1
    found.complain_unless(sent and reserved, f"claim × reserve was no race: {sent}, {reserved}")


def settle_sweep(found: Found, dice: random.Random) -> None:
    """Few deliveries, many broadcasts: late results and the end of the broadcast meet in its last moments."""
    for _ in range(4):
        broadcast = _press(found, expanded=True, clients=dice.randrange(10, 30))
        _, swept = at_once(dice, send_all(broadcast), sweep_and_end(broadcast))
        found.done["settle × sweep"] += 1
        found.done["UNKNOWN by the sweep"] += swept["swept"]
        left = list(Delivery.objects.filter(broadcast=broadcast, state=State.UNKNOWN).values_list("pk", flat=True))
        found.complain_unless(not left, f"a late result left UNKNOWN: {left}")


def finish_retry(found: Found, dice: random.Random) -> None:
    broadcast = _press(found, expanded=True)
    _fail_all(broadcast)
    rows = Delivery.objects.filter(broadcast=broadcast)

    def retry(dice: random.Random) -> int:
        for _ in range(CYCLES):
            failed = rows.filter(state=State.FAILED, pk__gte=dice.choice(ids))
            recovery.send_again(deliveries=failed, by=None, why="a race", now=clock.now())
            _fail_all(broadcast)
        recovery.send_again(deliveries=rows.filter(state=State.FAILED), by=None, why="a race", now=clock.now())
        send_all(broadcast)(dice)
        return 1

    def finish(dice: random.Random) -> list[str]:
        over = rows.exclude(due_at=None).filter(broadcast__state=Broadcast.State.FINISHED)
        seen: list[str] = []
        while rows.exclude(state__in=[State.SENT, State.SKIPPED]).exists():
            tallies.finish(broadcast_id=broadcast, now=clock.now())
            seen += [f"{row} has a due time in a FINISHED broadcast" for row in over]
        return seen

    ids = list(rows.values_list("pk", flat=True))
    _, seen = at_once(dice, retry, finish)
    found.done["finish × retry"] += CYCLES
    found.complaints += seen[:3]


def _fail_all(broadcast: int) -> None:
    """As a provider does that knows none of them."""
    for channel in Channel:
        pending = Delivery.objects.filter(broadcast=broadcast, channel=channel, state=State.PENDING)
        ids = list(pending.values_list("pk", flat=True))
        for start in range(0, len(ids), 50):
            claim = claims.claim(
                broadcast_id=broadcast,
                channel=channel,
                delivery_ids=ids[start : start + 50],
                token=uuid.uuid4(),
                now=clock.now(),
            )
            outcomes = [Outcome(message, Verdict.PERMANENT, detail="550 nobody") for message in claim.messages]
            settlements.settle(claim=claim, outcomes=outcomes, now=clock.now())


def cancel_claim(found: Found, dice: random.Random) -> None:
    broadcast = _press(found, expanded=True)
    rows = Delivery.objects.filter(broadcast=broadcast, channel=Channel.EMAIL)

    def send(dice: random.Random) -> list[tuple[float, int]]:
        """(when a claim was begun, how many it took) for each."""
        begun_claims = []
        with _Consumer(Channel.EMAIL) as consumer:
            while ids := list(rows.filter(state=State.PENDING).order_by("pk").values_list("pk", flat=True)):
                for window in _windows(ids, dice):
                    begun = time.monotonic()
                    begun_claims.append((begun, len(consumer.work(broadcast, window))))
        return begun_claims

    def cancel(dice: random.Random) -> float:
        time.sleep(dice.uniform(0.0, 0.03))
        lifecycle.cancel(broadcast_id=broadcast)
        cancelled_at = time.monotonic()
        while rows.exclude(due_at=None).exists():
            sweeps.sweep(now=clock.now())
        return cancelled_at

    begun_claims, cancelled_at = at_once(dice, send, cancel)
    found.broadcasts.remove(broadcast)
    found.cancelled.append(broadcast)
    late = [number for begun, number in begun_claims if begun > cancelled_at and number]
    found.done["cancel × claim"] += 1
    found.complain_unless(not late, f"claims that began after the cancel took {late}")


def expand_expand(found: Found, dice: random.Random) -> None:
    broadcast = _press(found, expanded=False)
    made = at_once(dice, expand_all(broadcast), expand_all(broadcast))
    found.done["expand × expand"] += 1
    rows = Delivery.objects.filter(broadcast=broadcast).count()
    found.complain_unless(sum(made, Counter[str]())["rows"] == rows, f"two made {made} of {rows} rows")
    send_all(broadcast)(dice)


def undo_start(found: Found, dice: random.Random) -> None:
    """Staff take back what they have just sent, at the moment at which a dispatcher starts it."""
    staff, _ = User.objects.get_or_create(username="thinks-again")
    settings.UNDO_SECONDS = 1
    for _ in range(4):
        broadcast = _create(by=staff, now=clock.now() - timedelta(seconds=1)).pk

        def take_back(dice: random.Random, broadcast: int = broadcast) -> bool:
            time.sleep(dice.uniform(0.0, 0.005))
            try:
                undo.undo(broadcast_id=broadcast, by=staff)
            except lifecycle.NotAllowed:
                return False
            return True

        def start(dice: random.Random, broadcast: int = broadcast) -> int:
            started = schedules.start_due(now=clock.now())
            expand_all(broadcast)(dice)
            return started

        is_undone, started = at_once(dice, take_back, start)
        found.done["undo first" if is_undone else "start first"] += 1
        rows = Delivery.objects.filter(broadcast=broadcast).count()
        is_one = bool(rows) == bool(started) == (not is_undone)
        found.complain_unless(is_one, f"undone: {is_undone}, started: {started}, {rows} rows")
        # What was undone is nobody's press: the judge complains of any message of it.
        if not is_undone:
            found.broadcasts.append(broadcast)
            send_all(broadcast)(dice)


RACES = (claim_claim, claim_reserve, settle_sweep, finish_retry, cancel_claim, expand_expand, undo_start)


def _press(found: Found, *, expanded: bool, clients: int = 0) -> int:
    """A broadcast to everybody, or to the first so many clients."""
    made = _create(by=None, now=clock.now())
    if clients:
        Broadcast.objects.filter(pk=made.pk).update(audience_upto=clients)
        found.partial.append((made.pk, clients))
    else:
        found.broadcasts.append(made.pk)
    while expanded and Broadcast.objects.filter(pk=made.pk, cursor__lt=F("audience_upto")).exists():
        fanout.expand(broadcast_id=made.pk, now=clock.now())
    return made.pk


def _create(*, by: User | None, now: datetime) -> Broadcast:
    notification = Notification.objects.exclude(email_body="").exclude(sms_body="").order_by("pk")[0]
    seen = {notification.pk: notification.updated_at}
    (made,) = lifecycle.create(seen=seen, token=uuid.uuid4(), by=by, now=now, again=True)
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", required=True)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    found = Found()
    for _ in range(arguments.rounds):
        for race in dice.sample(RACES, len(RACES)):
            began = time.monotonic()
            try:
                race(found, dice)
                print(f"{race.__name__} took {time.monotonic() - began:.1f} s", file=sys.stderr)
            except Exception as error:  # noqa: BLE001  (the other races are run all the same)
                found.complaints.append(f"{race.__name__}: {type(error).__name__}: {error}")
    print(json.dumps(vars(found)))


if __name__ == "__main__":
    main()
