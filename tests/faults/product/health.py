"""What the front page says of each part of the machinery, read from its HTML: what works, or else what does not."""

import html
import re
from typing import NamedTuple

from tests.faults.arena import Staff

_STATUS = re.compile(r'<section class="status" id="status".*?</section>', re.DOTALL)
_PROBLEM = re.compile(r'<li class="status-row is-problem".*?<strong>(.*?)</strong>\s*<p>(.*?)</p>', re.DOTALL)
_WORKING = re.compile(r"<li>(.*?)</li>")
BROKER = "RabbitMQ"
PARTS = (BROKER, "Dispatcher", "E-mail consumers", "SMS consumers")


class Part(NamedTuple):
    is_well: bool
    words: str


def read(staff: Staff) -> dict[str, Part]:
    """By the part's name; each of PARTS is in it."""
    (status,) = _STATUS.findall(staff.dashboard())
    problems = {html.unescape(name): _in_one_line(words) for name, words in _PROBLEM.findall(status)}
    if not problems:
        working = {html.unescape(name) for name in _WORKING.findall(status)}
        assert working >= set(PARTS), f"the front page says that all is well with {sorted(working)}"
    # Beside what does not work nothing is said of the rest.
    return {name: Part(name not in problems, problems.get(name, "")) for name in {*PARTS, *problems}}


def _in_one_line(words: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", words).split()))


def is_all_well(staff: Staff) -> bool:
    return all(part.is_well for part in read(staff).values())


def tells(staff: Staff, *words: str, of: tuple[str, ...] = (BROKER,)) -> bool:
    """Whether the front page complains of each of these parts, with all of these words."""
    found = read(staff)
    return all(not found[name].is_well and all(word in found[name].words for word in words) for name in of)
