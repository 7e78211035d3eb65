"""Staff's buttons, pressed at any moment, many times, at once: pause, resume, cancel, send."""

import re
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import httpx

from tests.faults.arena import WINDOW, Arena, Staff
from tests.faults.attack import attack
from tests.faults.judging import judge

CREW = {"email": 2, "sms": 1}
#: One window takes a fraction of a second here; the rest is for a busy machine. How many go out is judged as well.
WINDOW_SECONDS = 120.0


class Pause(NamedTuple):
    """Between the answer to a pause, or to a cancel, and the press of resume, if any. As providers tell time."""

    broadcast: int
    since: float
    until: float


@attack(16, "pause and resume × 50, and cancel, under load")
def pause_resume_cancel(arena: Arena) -> None:
    arena.slow_providers(0.05)
    arena.start(email=CREW["email"], sms=CREW["sms"])
    pauses = []
    with arena.staff() as staff:
        broadcast = arena.press()
        for _ in range(arena.size.faults * 5 // 2):
            broadcast = _keep_going(arena, broadcast)
            pauses += _pause_and_resume(arena, staff, broadcast)
        for _ in range(max(1, arena.size.faults // 4)):
            broadcast = _keep_going(arena, broadcast)
            pauses += _cancel(arena, staff, broadcast)
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)
    _demand_silence(arena, pauses)


def _keep_going(arena: Arena, broadcast: int) -> int:
    """The same broadcast as long as it has work for both channels, and then another."""
    waiting = "SELECT channel FROM notifier_delivery WHERE broadcast_id = %s AND state = 'PENDING' GROUP BY channel "
    busy = arena.stack.query(waiting + "HAVING COUNT(*) > 20", broadcast)
    if len(busy) == len(CREW):
        return broadcast
    broadcast = arena.press_ahead()
    arena.wait_until(lambda: _state(arena, broadcast) != "SCHEDULED", what="its start")
    return broadcast


def _pause_and_resume(arena: Arena, staff: Staff, broadcast: int) -> list[Pause]:
    arena.pause(0.0, 0.3)
    staff.order(broadcast, "pause", follow=False)
    since = time.time()
    is_paused = _state(arena, broadcast) == "PAUSED"
    arena.pause(0.1, 0.4)
    until = time.time()
    staff.order(broadcast, "resume", follow=False)
    if not is_paused:  # it had ended by then
        return []
    arena.faults["pause and resume"] += 1
    return [Pause(broadcast, since, until)]


def _cancel(arena: Arena, staff: Staff, broadcast: int) -> list[Pause]:
    """While somebody else pauses it, or resumes it after their pause."""
    arena.pause(0.0, 0.5)
    other = arena.dice.choice(["pause", "resume"])
    if other == "resume":
        staff.order(broadcast, "pause", follow=False)
    _at_once(
        [
            lambda: staff.order(broadcast, other, follow=False),
            lambda: staff.order(broadcast, "cancel", follow=False),
        ]
    )
    since = time.time()
    state = _state(arena, broadcast)
    if state == "FINISHED":
        return []
    arena.demand(state == "CANCELLED", f"{state} after cancel, and {other} at the same moment")
    # What is not expanded by now never will be.
    arena.hold_to(broadcast, is_complete=False, ends="CANCELLED")
    arena.faults["cancel"] += 1
    return [Pause(broadcast, since, float("inf"))]


def _state(arena: Arena, broadcast: int) -> str:
    return str(arena.stack.query("SELECT state FROM notifier_broadcast WHERE id = %s", broadcast)[0][0])


def _at_once(calls: Sequence[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """The answers, in the order of the calls."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result() for future in [threads.submit(call) for call in calls]]


def _demand_silence(arena: Arena, pauses: Sequence[Pause]) -> None:
    """After the answer, which comes after the commit, each consumer sends what is left of one window at most."""
    times: dict[tuple[int, str], list[float]] = defaultdict(list)
    for message in judge.accepted(arena.smtp, arena.sms):
        times[message.broadcast, message.channel].append(message.received_at)
    found = judge.Judgement()
    for pause in pauses:
        for channel, consumers in CREW.items():
            heard = [at for at in times[pause.broadcast, channel] if pause.since < at < pause.until]
            if len(heard) > WINDOW * consumers:
                last = max(heard) - pause.since
                what = f"more went out by {channel} than the {WINDOW * consumers} that were on their way"
                found.complain(what, [f"{len(heard)} after {pause}, the last {last:.2f} s after"])
            if late := [at - pause.since for at in heard if at - pause.since > WINDOW_SECONDS]:
                found.complain(f"went out by {channel} when its window had long ended", [f"{late} s after {pause}"])
    arena.complaints += found.complaints


#: Few enough that a broadcast for each of many tokens is no long work.
CLIENTS = 25
THREADS = 100


@attack(18, "double click, back and resubmit, 100 threads with the same and different tokens, two staff")
def press_send_many_times(arena: Arena) -> None:
    arena.stack.query("DELETE FROM notifier_preference WHERE client_id > %s", CLIENTS)
    arena.start()
    presses = _Presses(arena)
    with arena.staff(workers=2) as ann, Staff(arena.stack, ann.address) as bob:
        _two_staff(arena, presses, ann, bob)
        # One after the other: each notification was sent a short while ago by then, and must be asked for again.
        for _ in range(max(1, arena.size.faults // 3)):
            _double_click(arena, presses, ann)
            _back_and_resubmit(arena, presses, bob)
            _hundred_threads(arena, presses, [ann, bob])
    presses.compare()
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)


class _Presses:
    """What was asked for, and what the answers said."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        #: By token: to which broadcasts its answers led.
        self.led_to: dict[str, set[int]] = defaultdict(set)
        #: Tokens that must have made a broadcast.
        self.wanted: set[str] = set()

    def note(self, form: dict[str, Any], answer: httpx.Response, *, again: bool = False) -> int | None:
        """The broadcast that the answer leads to; None where it asks to tick *Send again*."""
        if again:
            self.wanted.add(form["token"])
        if answer.is_redirect and (page := PROGRESS.search(answer.headers["location"])):
            self.led_to[form["token"]].add(int(page[1]))
            return int(page[1])
        is_asking = answer.status_code == httpx.codes.OK and "Nothing has been sent yet" in answer.text
        self._arena.demand(is_asking, f"Send answered {answer.status_code}: {answer.text[-500:]}")
        return None

    def compare(self) -> None:
        """As many broadcasts as tokens, and each token's own."""
        arena = self._arena
        made = {pk for (pk,) in arena.stack.query("SELECT id FROM notifier_broadcast")}
        told = [pk for broadcasts in self.led_to.values() for pk in broadcasts]
        several = {token: broadcasts for token, broadcasts in self.led_to.items() if len(broadcasts) > 1}
        arena.demand(not several, f"tokens that led to several broadcasts: {several}")
        arena.demand(len(told) == len(set(told)), f"broadcasts that several tokens led to: {sorted(told)}")
        arena.demand(made == set(told), f"broadcasts {sorted(made)}, and the answers told of {sorted(told)}")
        arena.demand(set(self.led_to) == self.wanted, f"tokens {self.wanted} asked, {set(self.led_to)} were sent")
        for broadcast in made:
            arena.hold_to(broadcast)


PROGRESS = re.compile(r"/broadcast/(\d+)/progress/$")


def _two_staff(arena: Arena, presses: _Presses, *staff: Staff) -> None:
    """Both look at it, and press at the same moment: one of them is told that the other was faster."""
    forms = [one.confirm_page(arena.notification) for one in staff]
    answers = _at_once([partial(one.send, form, follow=False) for one, form in zip(staff, forms, strict=True)])
    sent = [presses.note(form, answer) for form, answer in zip(forms, answers, strict=True)]
    arena.demand(Counter(map(bool, sent)) == {True: 1, False: 1}, f"two staff at once, never sent before: {sent}")
    presses.wanted |= {form["token"] for form, broadcast in zip(forms, sent, strict=True) if broadcast}
    arena.faults["two staff at once"] += 1


def _double_click(arena: Arena, presses: _Presses, staff: Staff) -> None:
    form = staff.confirm_page(arena.notification)
    for answer in _at_once([partial(staff.send, form, again=True, follow=False)] * 2):
        presses.note(form, answer, again=True)
    arena.faults["double click"] += 1


def _back_and_resubmit(arena: Arena, presses: _Presses, staff: Staff) -> None:
    """The first try is refused, for it was sent just now; the next says *Send again*; then back, and all of it anew."""
    form = staff.confirm_page(arena.notification)
    refused = presses.note(form, staff.send(form, follow=False))
    arena.demand(refused is None, f"sent a second time without being asked to: {refused}")
    for again in (True, False, True):
        broadcast = presses.note(form, staff.send(form, again=again, follow=False), again=again)
        arena.demand(broadcast, "the same form again was not answered with what it had made")
    arena.faults["back and resubmit"] += 1


def _hundred_threads(arena: Arena, presses: _Presses, staff: Sequence[Staff]) -> None:
    """Some tokens come once, some many times, some with *Send again* and some without, and some both ways."""
    pages = [one.confirm_page(arena.notification) for one in staff]
    tokens = [str(uuid.UUID(int=arena.dice.getrandbits(128), version=4)) for _ in range(12)]
    posts = []
    for _ in range(THREADS):
        one, page = arena.dice.choice(list(zip(staff, pages, strict=True)))
        posts.append((one, page | {"token": arena.dice.choice(tokens)}, arena.dice.random() < 0.5))
    answers = _at_once([partial(one.send, form, again=again, follow=False) for one, form, again in posts])
    for (_, form, again), answer in zip(posts, answers, strict=True):
        presses.note(form, answer, again=again)
    arena.faults["posts by 100 threads"] += THREADS
