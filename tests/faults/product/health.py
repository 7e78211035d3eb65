"""What the front page says of each part of the machinery, read from its HTML."""

import html
import re
from typing import NamedTuple

from tests.faults.arena import Staff

_PART = re.compile(r'<li class="(is-well|is-ill)">\s*<strong>(.*?)</strong>\s*<span>(.*?)</span>', re.DOTALL)
BROKER = "RabbitMQ"
PARTS = (BROKER, "Dispatcher", "E-mail consumers", "SMS consumers")


class Part(NamedTuple):
    is_well: bool
    words: str


def read(staff: Staff) -> dict[str, Part]:
    """By the part's name; each of PARTS is in it."""
    found = {
        html.unescape(name): Part(state == "is-well", html.unescape(words))
        for state, name, words in _PART.findall(staff.dashboard())
    }
    assert set(found) >= set(PARTS), f"the front page shows the health of {sorted(found)}"
    return found


def is_all_well(staff: Staff) -> bool:
    return all(part.is_well for part in read(staff).values())


def tells(staff: Staff, *words: str, of: tuple[str, ...] = (BROKER,)) -> bool:
    """Whether the front page complains of each of these parts, with all of these words."""
    found = read(staff)
    return all(not found[name].is_well and all(word in found[name].words for word in words) for name in of)
