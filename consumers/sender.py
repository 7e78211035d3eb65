"""Sends the messages of a window at the same time, each thread over a connection of its own."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from consumers.backends.base import (
    ChannelDown,
    NoMessage,
    Outgoing,
    PermanentFailure,
    RecipientRefused,
    SendBackend,
    SendFailure,
    TemporaryFailure,
)
from notifier.delivery.claims import Message
from notifier.delivery.settlements import Outcome, Verdict
from notifier.runtime import failpoints

logger = logging.getLogger(__name__)

#: How often a window that takes long lets its caller say that it lives.
WAITING_SECONDS = 1.0
#: How long all connections together may take to say goodbye.
CLOSING_SECONDS = 5.0


class Sender:
    """A fixed number of threads that send. A send never raises: it ends as an `Outcome`."""

    def __init__(self, *, get_backend: Callable[[], SendBackend], threads: int) -> None:
        self._get_backend = get_backend
        # A backend is made here and thrown away, so that mistakes in the settings show before any ticket is taken.
        self.longest_send_seconds = get_backend().longest_send_seconds
        self._max_threads = threads
        self._threads: list[threading.Thread] = []
        self._jobs: queue.SimpleQueue[_Window | None] = queue.SimpleQueue()

    def send(self, messages: Sequence[Message], *, starts_until: float, waiting: Callable[[], None]) -> list[Outcome]:
        """Send them all and return how each ended.

        No send begins after `starts_until` (monotonic seconds), or once the provider was found to be away: those
        messages come back as RELEASED. `waiting` is called each second meanwhile.
        """
        window = _Window(messages, starts_until)
        self._hire(min(len(messages), self._max_threads))
        if self._threads:
            # One thread is called, and each calls the next as it starts. With a provider that answers at once, waking a
            # hundred threads costs more than the sending.
            self._jobs.put(window)
        else:
            window.give_up("no thread can be started")
        _tell(waiting)
        while not window.done.wait(WAITING_SECONDS):
            _tell(waiting)
        return window.outcomes

    def _hire(self, needed: int) -> None:
        """Start threads until there are as many as needed, or as the machine allows: fewer only take longer."""
        while len(self._threads) < needed:
            thread = threading.Thread(target=self._work, name=f"sender {len(self._threads)}", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError) as error:
                logger.error("Only %d of %d threads can be started: %s", len(self._threads), needed, error)
                return
            self._threads.append(thread)

    def close(self) -> None:
        """Let every thread close its connection and end."""
        for _ in self._threads:
            self._jobs.put(None)
        ends_at = time.monotonic() + CLOSING_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, ends_at - time.monotonic()))
        self._threads = []

    def _work(self) -> None:
        backend: SendBackend | None = None
        while (window := self._jobs.get()) is not None:
            try:
                backend = backend or self._get_backend()
            except Exception as error:
                # E.g. too many open files. If the thread ended here, its window would wait for ever.
                logger.exception("No connection to the provider can be made.")
                window.give_up(f"no connection to the provider can be made: {type(error).__name__}")
            else:
                window.work(backend, call_next=lambda: self._jobs.put(window))
        try:
            if backend is not None:
                backend.close()
        except Exception:
            logger.exception("A provider's connection did not close.")


def _tell(waiting: Callable[[], None]) -> None:
    """If this raised, what is sent meanwhile would never be recorded."""
    try:
        waiting()
    except Exception:
        logger.exception("A sign of life could not be given.")


class _Window:
    """The messages of one window, which the threads take one by one."""

    def __init__(self, messages: Sequence[Message], starts_until: float) -> None:
        self._left: queue.SimpleQueue[Message] = queue.SimpleQueue()
        for message in messages:
            self._left.put(message)
        self._number = len(messages)
        self._starts_until = starts_until
        self._down = ""
        self.outcomes: list[Outcome] = []
        self.done = threading.Event()
        if not messages:
            self.done.set()

    def give_up(self, reason: str) -> None:
        """Return what nobody has begun to send as RELEASED."""
        self._down = reason
        self._take(lambda message: Outcome(message, Verdict.RELEASED, detail=reason))

    def work(self, backend: SendBackend, *, call_next: Callable[[], None]) -> None:
        """Send until none is left. Before the first, call another thread if there is more than one message."""
        if self._left.qsize() > 1:
            call_next()
        self._take(lambda message: self._send(message, backend))

    def _take(self, handle: Callable[[Message], Outcome]) -> None:
        while True:
            try:
                message = self._left.get_nowait()
            except queue.Empty:
                return
            self.outcomes.append(handle(message))  # list.append is atomic
            if len(self.outcomes) == self._number:
                self.done.set()

    def _send(self, message: Message, backend: SendBackend) -> Outcome:
        if message.flaw:
            return Outcome(message, Verdict.PERMANENT, detail=message.flaw, was_given=False)
        if self._down or time.monotonic() > self._starts_until:
            return Outcome(message, Verdict.RELEASED, detail=self._down)
        try:
            failpoints.reached("send.begun")
            provider_id = backend.send(_outgoing(message))
            failpoints.reached("send.accepted")
            return Outcome(message, Verdict.SENT, provider_id=provider_id)
        except ChannelDown as failure:
            self._down = str(failure) or "the provider can't be used"
            return Outcome(message, Verdict.RELEASED, detail=self._down)
        except SendFailure as failure:
            return _failed(message, failure)
        except BaseException as error:
            # An error in the backend itself: it may have come before or after the provider took the message. Even a
            # SystemExit is caught: if the thread ended here, its window would wait for ever.
            logger.exception("Sending delivery %d failed in a way that the backend does not know.", message.delivery_id)
            return Outcome(message, Verdict.UNKNOWN, detail=f"the send backend failed: {type(error).__name__}")


def _outgoing(message: Message) -> Outgoing:
    return Outgoing(
        reference=f"{message.broadcast_id}.{message.delivery_id}",
        address=message.address,
        subject=message.subject,
        body=message.body,
        html=message.html,
        link_token=message.link_token,
        list_id=message.list_id,
    )


def _failed(message: Message, failure: SendFailure) -> Outcome:
    """How a message ended that the provider did not take, or may have taken."""
    match failure:
        case TemporaryFailure():
            return Outcome(message, Verdict.TEMPORARY, detail=str(failure), wait=failure.wait)
        case PermanentFailure():
            return Outcome(
                message,
                Verdict.PERMANENT,
                detail=str(failure),
                suppress=failure.suppress,
                was_given=not isinstance(failure, NoMessage),
            )
        case RecipientRefused():
            return Outcome(message, Verdict.REFUSED, detail=str(failure), suppress=failure.suppress)
    return Outcome(message, Verdict.UNKNOWN, detail=str(failure))
