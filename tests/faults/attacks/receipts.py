"""Receipts of SMS before our own settle, shuffled and doubled, while the consumers that sent them are killed."""

import random
import threading
import time
from collections import Counter
from queue import Empty, SimpleQueue

from tests.faults.arena import RECOVERY_SECONDS, SHORT_LEASE, SMS, WINDOW, Arena
from tests.faults.attack import attack
from tests.support.fakes import answers

PUBLIC = "http://localhost:8000"
#: Where a consumer dies with a window in hand of which the provider has taken something, or all.
POINTS = ("send.accepted", "window.sent")
#: What Twilio says of one message, each twice and in any order; the last of them is what counts.
STEPS = {"delivered": ("queued", "sent", "delivered"), "undelivered": ("queued", "sent", "undelivered")}
POSTERS = 3


class Carrier:
    """Twilio's other half: it calls back for each message that the fake provider took, at once and again."""

    def __init__(self, arena: Arena, web: str) -> None:
        self._arena, self._web = arena, web
        self._dice = random.Random(arena.dice.random())
        self._calls: SimpleQueue[tuple[str, dict[str, str]]] = SimpleQueue()
        self._is_over = threading.Event()
        #: What became of each delivery at the provider.
        self.ends: dict[int, str] = {}
        self.answers: Counter[int] = Counter()
        self._threads = [
            threading.Thread(target=self._watch),
            *(threading.Thread(target=self._post) for _ in range(POSTERS)),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Once all that the provider took was told."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _watch(self) -> None:
        done = 0
        while True:
            is_last = self._is_over.is_set()
            taken = self._arena.sms.accepted()
            for message in taken[done:]:
                self._tell(message)
            done = len(taken)
            if is_last:
                return
            time.sleep(0.02)

    def _tell(self, message: dict[str, str]) -> None:
        delivery = int(message["delivery"].partition(".")[2])
        # One that was sent again after its receipt ends as it did: what counts is that it was taken.
        end = self.ends.setdefault(delivery, self._dice.choice(list(STEPS)))
        steps = [*STEPS[end], *STEPS[end]]
        self._dice.shuffle(steps)
        path = message["callback"].partition("#")[0].removeprefix(PUBLIC)
        for step in steps:
            code = {"ErrorCode": "30005"} if step == "undelivered" else {}
            self._calls.put((path, answers.status(step, sid=message["sid"], to=message["to"], **code)))

    def _post(self) -> None:
        while True:
            try:
                path, fields = self._calls.get(timeout=0.2)
            except Empty:
                if self._is_over.is_set() and not self._threads[0].is_alive():
                    return
                continue
            reply = answers.deliver(self._web, fields, path=path, public=PUBLIC)
            self.answers[reply.status] += 1
            if reply.status >= 500:  # as Twilio does, it comes again
                self._calls.put((path, fields))


@attack(
    26,
    "receipts before the settle, shuffled and doubled, of killed consumers",
    base=SHORT_LEASE,
    SMS_RECEIPTS="on",
    PUBLIC_URL=PUBLIC,
)
def receipts_of_killed_consumers(arena: Arena) -> None:
    arena.slow_providers(0.05)
    carrier = Carrier(arena, arena.stack.serve(PUBLIC_URL=PUBLIC))
    arena.start(sms=0)
    carrier.start()
    try:
        for point in arena.dice.choices(POINTS, k=arena.size.faults):
            arena.keep_busy()
            victim = arena.hire(SMS, FAILPOINT=point)
            arena.wait_until(lambda victim=victim: not victim.is_running(), what=f"a death at {point}")  # type: ignore[misc]
            arena.faults[f"kill -9 sms at {point}"] += 1
        arena.start(dispatchers=0, email=0)
        arena.wait_for_end()
    finally:
        carrier.stop()
    arena.demand_soon(lambda: not _unknown_and_proven(arena, carrier), "UNKNOWN, and proven", seconds=RECOVERY_SECONDS)
    arena.demand(
        not _unknown_and_proven(arena, carrier), f"UNKNOWN though proven: {_unknown_and_proven(arena, carrier)}"
    )
    _judge_receipts(arena, carrier)
    # What nobody took has no receipt, and stays as it is.
    arena.judge(unknown_at_most=WINDOW * arena.size.faults)


def _unknown_and_proven(arena: Arena, carrier: Carrier) -> set[int]:
    unknown = arena.stack.query("SELECT id FROM notifier_delivery WHERE state = 'UNKNOWN' AND channel = 'sms'")
    return {pk for (pk,) in unknown} & carrier.ends.keys()


def _judge_receipts(arena: Arena, carrier: Carrier) -> None:
    """Each once, as the last of its steps says; and at least one in each window of a dead consumer proved something."""
    kept = {pk: state.lower() for pk, state in arena.stack.query("SELECT delivery_id, state FROM notifier_receipt")}
    arena.demand(kept == carrier.ends, f"receipts: {set(kept.items()) ^ set(carrier.ends.items())}")
    ((proven,),) = arena.stack.query("SELECT COUNT(*) FROM notifier_receipt WHERE is_proof")
    arena.demand(proven >= arena.size.faults, f"only {proven} UNKNOWN were settled by proof")
    arena.faults["UNKNOWN settled by proof"] += proven
    ((early,),) = arena.stack.query("SELECT COUNT(*) FROM notifier_receipt WHERE is_early")
    arena.demand(not early, f"{early} receipts are still early")
    bad = {status: number for status, number in carrier.answers.items() if status != 204}
    arena.demand(not set(bad) - {503}, f"answers to the provider: {bad}")
