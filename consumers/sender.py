"""Sends the messages of a window at the same time, each thread over a connection of its own."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import cast

from consumers import handing_over
from consumers.backends.base import ChannelDown, Hurries, PerhapsDown, SendBackend
from consumers.connection_limit import ConnectionLimit
from consumers.sender_thread import SenderThread
from consumers.suspects import DIFFERENT_MESSAGES, Suspects
from consumers.window import Flight, Window
from notifier.delivery.claims import Message
from notifier.delivery.settlements import Outcome, Verdict

logger = logging.getLogger(__name__)

#: How often a window that takes long lets its caller say that it lives.
WAITING_SECONDS = 1.0
#: How long all connections together may take to say goodbye.
CLOSING_SECONDS = 5.0
#: How long sends still begin once the process was asked to stop. With a provider that answers, that is a whole window.
STARTING_SECONDS = 5.0
#: How long a connection is kept that has nothing to do: a provider that takes few may need it for another consumer.
IDLE_SECONDS = 20.0


class Sender:
    """A number of threads that send. A send never raises: it ends as an `Outcome`.

    A provider may take fewer connections than there are threads. A thread whose connection is refused ends, and leaves
    its message to those whose connections work; only if none works is the provider down. Where it had been told the
    recipient when it refused, one message alone may be refused so: the others are tried before it is judged.
    """

    def __init__(self, *, get_backend: Callable[[], SendBackend], threads: int) -> None:
        self._get_backend = get_backend
        # A backend is made here and thrown away, so that mistakes in the settings show before any ticket is taken.
        backend = get_backend()
        self.longest_send_seconds = backend.longest_send_seconds
        #: How long what is under way may take once the process was asked to stop.
        self.stop_seconds = backend.answer_seconds if isinstance(backend, Hurries) else backend.longest_send_seconds
        self._limit = ConnectionLimit(threads)
        self._suspects = Suspects()
        self._threads: list[SenderThread] = []
        #: Those that end by themselves, as soon as they have closed their connections.
        self._leaving: list[SenderThread] = []
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Window | None] = queue.SimpleQueue()
        self._window = Window([], starts_until=0, longest_send_seconds=0)

    @property
    def words(self) -> str:
        """What staff should know about its connections, as a sentence; empty where all is well."""
        return self._limit.words

    def silence(self) -> tuple[float, str]:
        """For how many seconds the provider has let us wait, and what for: an answer, or where there is none, a
        connection."""
        if self._window.done.is_set():
            return 0.0, ""
        if oldest := self._window.oldest_seconds():
            return oldest, "the provider has not answered"
        with self._lock:
            since = min((thread.opens_since for thread in self._threads if thread.opens_since), default=0.0)
        return (time.monotonic() - since if since else 0.0), "the provider has not accepted a connection"

    def window_size(self, most: int) -> int:
        """How many messages of up to `most` a window should have."""
        return self._limit.fitting(most)

    def send(
        self,
        messages: Sequence[Message],
        *,
        starts_until: float,
        waiting: Callable[[], None],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> list[Outcome]:
        """Send them all and return how each ended.

        No send begins after `starts_until` (monotonic seconds), or once the provider was found to be away: those
        messages come back as RELEASED. `waiting` is called each second meanwhile. A send that hangs for longer than its
        backend may take comes back as UNKNOWN, and its thread is replaced.

        Once `is_stopping` says so, no send begins that would not have begun within STARTING_SECONDS, and what is under
        way ends within `stop_seconds`.
        """
        window = self._window = Window(
            self._suspects.last(messages),
            starts_until=starts_until,
            longest_send_seconds=self.longest_send_seconds,
            may_try_again=self._suspects.has_passed_since,
        )
        before = self._limit.number
        self._limit.raise_if_due()
        self._dismiss_those_that_close()
        self._hire(min(len(messages), self._limit.number))
        if self._threads:
            # One thread is called, and each calls the next as it starts. With a provider that answers at once, waking a
            # hundred threads costs more than the sending.
            self._jobs.put(window)
        else:
            window.give_up("no thread can be started")
        _tell(waiting)
        is_hurried = False
        while not window.done.wait(WAITING_SECONDS):
            if not is_hurried and is_stopping():
                self._hurry(window)
                is_hurried = True
            self._replace_hanging(window)
            _tell(waiting)
        self._learn(window, before)
        return window.outcomes

    def close(self) -> None:
        """Let every thread close its connection and end."""
        with self._lock:
            threads, self._threads = self._threads, []
        threads = [*threads, *self._leaving]
        for _ in threads:
            self._jobs.put(None)
        ends_at = time.monotonic() + CLOSING_SECONDS
        for thread in threads:
            thread.join(timeout=max(0.0, ends_at - time.monotonic()))

    def _hurry(self, window: Window) -> None:
        now = time.monotonic()
        ends_by = now + self.stop_seconds
        window.hurry(starts_until=now + min(STARTING_SECONDS, self.stop_seconds / 2), ends_by=ends_by)
        with self._lock:
            backends = [thread.backend for thread in self._threads]
        for backend in backends:
            if isinstance(backend, Hurries):
                backend.hurry(ends_by)

    # --- The crew -----------------------------------------------------------------------------------------------------
    def _hire(self, needed: int) -> None:
        """Start threads until there are as many as needed, or as the machine allows: fewer only take longer."""
        while len(self._threads) < needed:
            thread = SenderThread(len(self._threads), self._work)
            try:
                thread.start()
            except (RuntimeError, MemoryError) as error:
                logger.error("Only %d of %d threads can be started: %s", len(self._threads), needed, error)
                return
            with self._lock:
                self._threads.append(thread)

    def _leaves(self, thread: SenderThread) -> bool:
        """Whether others have connections that work, to which this thread then leaves the work."""
        with self._lock:
            thread.works = False
            if thread.is_written_off or any(other.works for other in self._threads):
                self._let_go(thread)
                return True
            return False

    def _let_go(self, thread: SenderThread) -> None:
        self._dismiss(thread)
        self._leaving = [*filter(SenderThread.is_alive, self._leaving), thread]

    def _dismiss(self, thread: SenderThread) -> None:
        thread.is_written_off = True
        if thread in self._threads:
            self._threads.remove(thread)

    def _is_proven(self) -> bool:
        with self._lock:
            return any(thread.works for thread in self._threads)

    def _replace_hanging(self, window: Window) -> None:
        """Write off what hangs, and its threads with it: others take their place."""
        hanging = window.write_off()
        is_late = bool(window.down) and window.done.is_set()
        with self._lock:
            lost = [t for t in self._threads if t.flight in hanging or (is_late and t.opens_since)]
            for thread in lost:
                self._dismiss(thread)
        if lost:
            logger.error("%d connections hang and are given up, with %d sends.", len(lost), len(hanging))
        hanging_closes = self._dismiss_those_that_close()
        if (hanging or hanging_closes) and (window.has_more or window.has_aside):
            self._hire(min(self._limit.number, len(self._threads) + len(lost) + hanging_closes))
            self._jobs.put(window)

    def _dismiss_those_that_close(self) -> int:
        """Give up the threads whose connections hang while they close, so that others are hired; returns how many."""
        since = time.monotonic() - CLOSING_SECONDS
        with self._lock:
            lost = [thread for thread in self._threads if thread.closes_since and thread.closes_since < since]
            for thread in lost:
                self._dismiss(thread)
        if lost:
            logger.error("%d connections hang while they close, and are given up.", len(lost))
        return len(lost)

    def _learn(self, window: Window, before: int) -> None:
        """Keep the number of connections that the provider takes. One that takes none has told nothing about that."""
        if window.down:
            self._limit.number = before
        elif window.refusal:
            self._lower_limit(window.refusal)

    def _lower_limit(self, refusal: str) -> None:
        """To what works: others may still wait for a server that lets them wait without a word.

        Those without a connection leave: if one of them took the next window, it would wait in the same way.
        """
        with self._lock:
            self._limit.lower(sum(thread.works for thread in self._threads), refusal=refusal)
            for thread in [thread for thread in self._threads if not (thread.works or thread.flight)]:
                if len(self._threads) > self._limit.number:
                    self._let_go(thread)

    # --- One thread ---------------------------------------------------------------------------------------------------
    def _work(self, thread: SenderThread) -> None:
        while not thread.is_written_off:
            try:
                window = self._jobs.get(timeout=IDLE_SECONDS if thread.backend else None)
            except queue.Empty:
                thread.rest()
                continue
            if thread.is_written_off:  # while it waited
                self._jobs.put(window)
                break
            if window is None:
                break
            if self._is_ready(thread, window):
                self._send_all(thread, window)
        thread.rest()

    def _is_ready(self, thread: SenderThread, window: Window) -> bool:
        """Make the thread's connection ready; False where that fails. The first one is tried alone.

        With a wrong password each try may be one more step to a locked account. For a window that was given up none is
        made ready.
        """
        if window.down:
            return False
        is_called = self._is_proven() and self._call_next(window)
        try:
            thread.open(self._get_backend)
        except ChannelDown as failure:
            self._refuse(thread, window, str(failure))
            return False
        except BaseException as error:
            # E.g. too many open files. If the thread ended here, its window would wait for ever.
            logger.exception("No connection to the provider can be made.")
            self._refuse(thread, window, f"no connection to the provider could be made: {type(error).__name__}")
            return False
        if not is_called:
            self._call_next(window)
        return True

    def _call_next(self, window: Window) -> bool:
        if window.has_more:
            self._jobs.put(window)
        return True

    def _refuse(self, thread: SenderThread, window: Window, reason: str, flight: Flight | None = None) -> None:
        """Leave the window to the threads whose connections work; if there are none, the provider is down."""
        reason = reason or "the provider can’t be used"
        if not window.down and self._leaves(thread):
            if flight:
                window.put_back(flight, refusal=reason)
            elif window.done.is_set():
                self._lower_limit(reason)  # the window, which ended without it, has told what it knew
            else:
                window.refusal = reason
            self._jobs.put(window)
            return
        window.give_up(reason)
        if flight:
            window.end(flight, Outcome(flight.message, Verdict.RELEASED, detail=reason))

    def _suspect(self, thread: SenderThread, window: Window, reason: str, flight: Flight) -> None:
        """Find out whether the provider refuses us, this connection among several, or this message alone."""
        if self._suspects.refused(flight.message):
            window.end(flight, Outcome(flight.message, Verdict.TEMPORARY, detail=reason))
            return
        leaves = not flight.refusal and self._leaves(thread)
        window.set_aside(flight, refusal=reason)
        if leaves:
            self._jobs.put(window)
        elif window.refused_in_a_row >= DIFFERENT_MESSAGES:
            window.give_up(reason)

    def _send_all(self, thread: SenderThread, window: Window) -> None:
        while not thread.is_written_off and (flight := window.take()):
            thread.flight = flight
            try:
                outcome = handing_over.hand_over(flight.message, cast(SendBackend, thread.backend))
                if outcome.verdict in _ANSWERED and outcome.was_given:
                    thread.works = True
                    self._suspects.passed(flight.message)
                    window.passes(flight)
                window.end(flight, outcome)
            except PerhapsDown as failure:
                self._suspect(thread, window, str(failure) or "the provider can’t be used", flight)
            except ChannelDown as failure:
                self._refuse(thread, window, str(failure), flight)
            thread.flight = None


#: What shows that a connection works.
_ANSWERED = (Verdict.SENT, Verdict.TEMPORARY, Verdict.PERMANENT, Verdict.REFUSED)


def _tell(waiting: Callable[[], None]) -> None:
    """If this raised, what is sent meanwhile would never be recorded."""
    try:
        waiting()
    except Exception:
        logger.exception("A sign of life could not be given.")
