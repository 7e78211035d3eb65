import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from notifier.runtime.shutdown import StopFlag
from tests.support.servers.processes import PATIENCE_SECONDS

#: A wait that nothing ends would be seen.
LONG_SECONDS = 2 * PATIENCE_SECONDS


def done(call: Callable[[], Any]) -> bool:
    """Whether it came to its end, in a thread that nobody misses if it did not."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    return not thread.is_alive()


class Interruption:
    """Calls the handler in the middle of a call, after so many steps of Python, as a signal does.

    A step is a line or an instruction; of instructions Python 3.12 tells nothing.
    """

    def __init__(self, flag: StopFlag, steps: int) -> None:
        self.steps = steps
        self._handler = flag._on_signal

    def __call__(self, frame: FrameType, event: str, detail: Any) -> "Interruption":
        frame.f_trace_opcodes = True
        if event in ("line", "opcode"):
            self.steps -= 1
            if self.steps == 0:
                self._handler(signal.SIGTERM, frame)
        return self

    def of(self, call: Callable[[], Any]) -> None:
        sys.settrace(self)
        try:
            call()
        finally:
            sys.settrace(None)


def interrupted(flag: StopFlag, steps: int, call: Callable[[], Any]) -> bool:
    """Whether the call took so many steps. Fails if it does not come to its end."""
    interruption = Interruption(flag, steps)
    assert done(lambda: interruption.of(call)), f"It hangs when interrupted at step {steps}."
    return interruption.steps <= 0


def test_a_signal_ends_a_wait_wherever_it_meets_the_thread_that_waits() -> None:
    def is_met_at(steps: int) -> bool:
        flag = StopFlag()
        met = interrupted(flag, steps, lambda: flag.wait(0.001))
        assert flag.is_set() is met
        return met

    assert sum(1 for _ in itertools.takewhile(is_met_at, itertools.count(1))) >= 5


def test_a_signal_while_it_is_being_set_does_no_harm() -> None:
    def is_met_at(steps: int) -> bool:
        flag = StopFlag()
        met = interrupted(flag, steps, flag.set)
        assert flag.wait(LONG_SECONDS)
        return met

    assert sum(1 for _ in itertools.takewhile(is_met_at, itertools.count(1))) >= 3


def test_a_wait_that_has_begun_ends_when_it_is_set_in_every_thread() -> None:
    flag = StopFlag()
    said: list[bool] = []
    threads = [threading.Thread(target=lambda: said.append(flag.wait(LONG_SECONDS)), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()

    flag.set()

    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert said == [True] * 3
    assert flag.wait(LONG_SECONDS)


def test_a_wait_ends_by_itself_and_one_of_no_time_at_once() -> None:
    flag = StopFlag()

    assert done(lambda: [flag.wait(seconds) for seconds in (0.01, 0, -1)])
    assert not flag.is_set()


def test_flags_that_nobody_has_any_more_hold_no_files_open() -> None:
    StopFlag()
    before = len(os.listdir("/dev/fd"))

    for _ in range(20):
        StopFlag().set()

    # Other threads of the tests may have opened one or two.
    assert len(os.listdir("/dev/fd")) < before + 20
