"""Rates as people write them, `50/s`, `600/m` or `1000/h`, in the settings and in the admin alike."""

import math
import re

_UNITS = {"s": 1, "m": 60, "h": 3600}


def read(text: str) -> float:
    """Messages a second. Raises ValueError."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})/([smh])", text.replace(" ", ""))
    if found is None:
        raise ValueError("Write it like 50/s, 600/m or 1000/h.")
    return int(found[1]) / _UNITS[found[2]]


def formatted(rate: float) -> str:
    """50/s, 90/m, 10/h: in the unit that makes it a whole number, if one does."""
    for unit, seconds in _UNITS.items():
        number = rate * seconds
        if number >= 1 and math.isclose(number, round(number), rel_tol=1e-6):
            return f"{round(number)}/{unit}"
    return f"{rate:.3g}/s"
