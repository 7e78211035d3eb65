"""The messages of one window, which threads take one by one, and how each of them ended."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

from notifier.delivery.claims import Message
from notifier.delivery.settlements import Outcome, Verdict

#: How much longer than its backend says one send may take before it counts as one that hangs.
GRACE_SECONDS = 5.0
#: It is looked at each second. If the last look lies further back, the whole process stood still meanwhile: an answer
#: may be there that its thread has not read yet. Less than the grace, which covers a shorter stop.
STOOD_STILL_SECONDS = 3.0
#: How much later than the others a message comes again that was refused in words about us: had they all one time, it
#: might be the first again, and no other would pass before it.
SUSPECT_WAIT = timedelta(seconds=5)


class Flight:
    """One message in the hands of one thread, until it has ended or is written off."""

    def __init__(self, message: Message, *, refusal: str = "") -> None:
        self.message = message
        #: Why it was refused before in this window, where it is tried once more with no other under way.
        self.refusal = refusal
        self.taken_at = time.monotonic()


class Window:
    """Each message ends once, as an `Outcome`; what a thread says of one that was written off is ignored."""

    def __init__(
        self,
        messages: Sequence[Message],
        *,
        starts_until: float,
        longest_send_seconds: float,
        may_try_again: Callable[[Message], bool] = lambda message: False,
    ) -> None:
        self._lock = threading.Lock()
        self._left = deque(messages)
        #: Refused in words about us, and why; tried once more at the end.
        self._aside: deque[tuple[Message, str]] = deque()
        self._flights: set[Flight] = set()
        self._number = len(messages)
        self._starts_until = starts_until
        #: Once the process was asked to stop: when the last send must have ended, its grace aside.
        self._ends_by = math.inf
        self._may_try_again = may_try_again
        self._longest_send_seconds = longest_send_seconds
        self._looked_at = time.monotonic()
        self._stood_still = False
        #: When a send ended last.
        self._ended_at = 0.0
        #: Why no more of it is sent, where the provider can't be used; otherwise empty.
        self.down = ""
        #: Why the provider refused one of several connections, while others went on; otherwise empty.
        self.refusal = ""
        #: How many different messages were refused in words about us since one passed last.
        self.refused_in_a_row = 0
        self._has_passed = False
        self.outcomes: list[Outcome] = []
        self.done = threading.Event()
        if not messages:
            self.done.set()

    @property
    def has_more(self) -> bool:
        return bool(self._left)

    @property
    def has_aside(self) -> bool:
        return bool(self._aside)

    def take(self) -> Flight | None:
        """The next message that is to be sent; None once there is none."""
        with self._lock:
            while self._left:
                flight = Flight(self._left.popleft())
                message = flight.message
                if message.flaw:
                    self._record(Outcome(message, Verdict.PERMANENT, detail=message.flaw, was_given=False))
                elif self.down or time.monotonic() > self._starts_until:
                    self._record(Outcome(message, Verdict.RELEASED, detail=self.down))
                else:
                    self._flights.add(flight)
                    return flight
            return self._take_aside()

    def _take_aside(self) -> Flight | None:
        """One that was set aside, with no other under way; released where nothing shows that it would fare better.

        If anything of the window passed, the next will show whether the provider can be used.
        """
        while self._aside and not self._flights:
            message, refusal = self._aside.popleft()
            if self.down or time.monotonic() > self._starts_until:
                self._record(_put_off(message, self.down))
            elif self._may_try_again(message):
                flight = Flight(message, refusal=refusal)
                self._flights.add(flight)
                return flight
            else:
                self.down = "" if self._has_passed else refusal
                self._record(_put_off(message, self.down))
        return None

    def end(self, flight: Flight, outcome: Outcome) -> None:
        """Record how it ended, unless it was written off before."""
        with self._lock:
            if flight in self._flights:
                self._flights.discard(flight)
                self._ended_at = time.monotonic()
                self._record(outcome)

    def passes(self, flight: Flight) -> None:
        """The provider answered for this one as it should."""
        self._has_passed, self.refused_in_a_row = True, 0
        # What passes once no other is under way was refused for the number of connections.
        self.refusal = flight.refusal or self.refusal

    def put_back(self, flight: Flight, *, refusal: str) -> None:
        """Leave a message that was not handed over to another thread, whose connection works; RELEASED if none does."""
        with self._lock:
            self.refusal = refusal
            if flight in self._flights:
                self._flights.discard(flight)
                self._left.appendleft(flight.message)
                if self.down:  # meanwhile the others have found that theirs don't work either
                    self._release_left(self.down)

    def set_aside(self, flight: Flight, *, refusal: str) -> None:
        """Try it once more after all others, or put it off where that was the second time."""
        with self._lock:
            if flight not in self._flights:
                return
            self._flights.discard(flight)
            self._ended_at = time.monotonic()
            self.refused_in_a_row += 1
            if flight.refusal or self.down:
                self._record(_put_off(flight.message, self.down))
            else:
                self._aside.append((flight.message, refusal))

    def give_up(self, reason: str) -> None:
        """Return what nobody has begun to send as RELEASED."""
        with self._lock:
            self.down = self.down or reason
            self._release_left(reason)

    def hurry(self, *, starts_until: float, ends_by: float) -> None:
        """The process is to stop: begin nothing after the one moment, and end everything by the other."""
        with self._lock:
            self._starts_until, self._ends_by = min(self._starts_until, starts_until), min(self._ends_by, ends_by)

    def write_off(self) -> list[Flight]:
        """End the sends that hang as UNKNOWN, and return them. What nobody took, while there was time, is released.

        After the process stood still, the first look writes off nothing: see STOOD_STILL_SECONDS.
        """
        now = time.monotonic()
        with self._lock:
            if self._has_stood_still(now):
                return []
            longest = self._longest_send_seconds + GRACE_SECONDS
            is_over = now > self._ends_by + GRACE_SECONDS
            hanging = [flight for flight in self._flights if is_over or now - flight.taken_at > longest]
            self._flights.difference_update(hanging)
            for flight in hanging:
                within = "before the process had to stop" if is_over else f"within {longest:g} s"
                self._record(Outcome(flight.message, Verdict.UNKNOWN, detail=f"the provider did not answer {within}"))
                self._ended_at = now
            if self._ends_by < math.inf and now > self._starts_until:
                self._release_left(self.down)
            # A thread at work releases what is left once its send has ended: a slow one is no outage.
            is_idle = not self._flights and now > max(self._starts_until, self._ended_at) + GRACE_SECONDS
            if (self._left or self._aside) and is_idle:
                self.down = self.down or "no connection to the provider was ready in time"
                self._release_left(self.down)
            return hanging

    def _has_stood_still(self, now: float) -> bool:
        """Whether it did since the last look. Never twice in a row: then it is the looks that are slow."""
        self._stood_still = not self._stood_still and now - self._looked_at > STOOD_STILL_SECONDS
        self._looked_at = now
        return self._stood_still

    def oldest_seconds(self) -> float:
        """How long the oldest send has been under way."""
        with self._lock:
            return max((time.monotonic() - flight.taken_at for flight in self._flights), default=0.0)

    def _release_left(self, reason: str) -> None:
        while self._aside:
            self._record(_put_off(self._aside.popleft()[0], reason))
        while self._left:
            self._record(Outcome(self._left.popleft(), Verdict.RELEASED, detail=reason))

    def _record(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if len(self.outcomes) == self._number:
            self.done.set()


def _put_off(message: Message, down: str) -> Outcome:
    return Outcome(message, Verdict.RELEASED, detail=down, wait=SUSPECT_WAIT)
