"""Whose fault a refusal is that speaks of us, though the provider knew the recipient: that message's, or nobody's."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from notifier.delivery.claims import Message

#: Refused so often, each time with others passing since the last, a message is at fault. Twice is not enough: another
#: consumer may have all the connections that the provider takes, at both moments.
TIMES_WHILE_OTHERS_PASS = 3
#: Refused so often with nothing passing in between: perhaps it is alone in its channel, and must come to an end.
TIMES_ALONE = 10
#: So many different messages, refused one after the other with none passing, show that the provider can't be used.
DIFFERENT_MESSAGES = 3
#: How many are kept in mind; the oldest are forgotten first, and judged anew.
MAX_SUSPECTS = 10_000


@dataclass(slots=True)
class _Suspect:
    #: Refusals since the last that counted as its fault; and those that others passed before.
    refusals: int = 0
    while_others_passed: int = 0
    #: How many had passed when it was refused last.
    passed: int = -1
    is_guilty: bool = False


class Suspects:
    """What one process has seen. A restart forgets it, which costs no more than a few tries."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed = 0
        self._suspects: dict[int, _Suspect] = {}
        #: Those not known to be at fault that were refused since something passed last.
        self._innocent: set[int] = set()

    def passed(self, message: Message) -> None:
        """The provider answered for this message as for any other: it can be used."""
        with self._lock:
            self._passed += 1
            self._suspects.pop(message.delivery_id, None)
            self._innocent.clear()

    def refused(self, message: Message) -> bool:
        """Whether this refusal is the message's own fault, as far as can be told by now."""
        with self._lock:
            suspect = self._suspects.setdefault(message.delivery_id, _Suspect())
            while len(self._suspects) > MAX_SUSPECTS:
                del self._suspects[next(iter(self._suspects))]
            suspect.refusals += 1
            if suspect.passed != self._passed:
                suspect.while_others_passed += 1
                suspect.passed = self._passed
            return self._judge(message.delivery_id, suspect)

    def has_passed_since(self, message: Message) -> bool:
        """Whether the provider answered for another message after it refused this one."""
        with self._lock:
            suspect = self._suspects.get(message.delivery_id)
            return suspect is None or suspect.passed != self._passed

    def last(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The same, those behind that were refused before: what the others show is then known."""
        with self._lock:
            return sorted(messages, key=lambda message: message.delivery_id in self._suspects)

    def _judge(self, delivery_id: int, suspect: _Suspect) -> bool:
        suspect.is_guilty = suspect.is_guilty or suspect.while_others_passed >= TIMES_WHILE_OTHERS_PASS
        # Where others are refused alike that never were at fault, it is the provider that can't be used.
        is_own = suspect.is_guilty and len(self._innocent) < DIFFERENT_MESSAGES
        if is_own or suspect.refusals >= TIMES_ALONE:
            suspect.refusals = 0
            return True
        if not suspect.is_guilty:
            self._innocent.add(delivery_id)
        return False
