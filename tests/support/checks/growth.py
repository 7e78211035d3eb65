"""How the time of a function grows with its text: twice the text may take about twice the time, not four times.

What is compared is the processor's time for one text with that for a part of it, whatever the machine's speed.
"""

import gc
import time
from collections.abc import Callable, Iterator

#: Text four times as long takes four times as long where the growth is linear, 16 times where it is quadratic.
STEP, MAX_RATIO = 4, 9.0
#: Shorter times say nothing about growth.
FLOOR_SECONDS = 0.005
SMALLEST, LARGEST = 64, 16_384


def fault(run: Callable[[str], object], make: Callable[[int], str], *, largest: int = LARGEST) -> str:
    """What is wrong with the growth, for `make(size)` as the text; empty where it is linear up to `largest`."""
    before = 0.0
    for size in _sizes(largest):
        took = _processor_seconds(run, make(size))
        # What is suspected is measured again, because another process may have emptied the processor's cache.
        if before and took > FLOOR_SECONDS and took > MAX_RATIO * before:
            again = min(_processor_seconds(run, make(size)) for _ in range(2))
            if again > FLOOR_SECONDS and again > MAX_RATIO * before:
                return f"{size:,} took {again / before:.0f} times as long as {size // STEP:,}: {make(8)!r}…"
        before = max(took, 1e-6)
    return ""


def _sizes(largest: int) -> Iterator[int]:
    size = SMALLEST
    while size <= largest:
        yield size
        size *= STEP


def _processor_seconds(run: Callable[[str], object], text: str) -> float:
    gc.disable()
    try:
        began = time.process_time()
        run(text)
        return time.process_time() - began
    finally:
        gc.enable()
