"""Sends a window of messages at once, each thread over a connection of its own."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from consumers.backends.base import (
    ChannelDown,
    OutcomeUnknown,
    Outgoing,
    PermanentFailure,
    RecipientRefused,
    SendBackend,
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
    """A fixed crew of threads; a send never raises, it ends as an `Outcome`."""

    def __init__(self, *, get_backend: Callable[[], SendBackend], threads: int) -> None:
        self._get_backend = get_backend
        # Made here and thrown away: what is wrong with the settings is told before any ticket is taken.
        self.longest_send_seconds = get_backend().longest_send_seconds
        self._most = threads
        self._crew: list[threading.Thread] = []
        self._jobs: queue.SimpleQueue[_Window | None] = queue.SimpleQueue()

    def send(self, messages: Sequence[Message], *, starts_until: float, waiting: Callable[[], None]) -> list[Outcome]:
        """Send them all and return how each ended.

        None is started after `starts_until` (monotonic seconds), nor once the provider is found to be away: those come
        back as RELEASED. `waiting` is called each second meanwhile.
        """
        window = _Window(messages, starts_until)
        hands = min(len(messages), self._most)
        while len(self._crew) < hands:
            self._crew.append(threading.Thread(target=self._work, name=f"sender {len(self._crew)}", daemon=True))
            self._crew[-1].start()
        # One is called, and each calls the next as it starts: a hundred threads that all wake for a provider that
        # answers at once cost more than the sending.
        self._jobs.put(window)
        waiting()
        while not window.done.wait(WAITING_SECONDS):
            waiting()
        return window.outcomes

    def close(self) -> None:
        """Let every thread close its connection and end."""
        for _ in self._crew:
            self._jobs.put(None)
        ends_at = time.monotonic() + CLOSING_SECONDS
        for thread in self._crew:
            thread.join(timeout=max(0.0, ends_at - time.monotonic()))
        self._crew = []

    def _work(self) -> None:
        backend: SendBackend | None = None
        while (window := self._jobs.get()) is not None:
            try:
                backend = backend or self._get_backend()
            except Exception as error:
                # Such as too many open files. A thread that died of it would leave its window waiting for ever.
                logger.exception("No connection to the provider can be made.")
                window.give_up(f"no connection to the provider can be made: {type(error).__name__}")
            else:
                window.work(backend, call_next=lambda: self._jobs.put(window))
        try:
            if backend is not None:
                backend.close()
        except Exception:
            logger.exception("A provider's connection did not close.")


class _Window:
    """Messages that the crew takes from one by one."""

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
        """What nobody has started goes back."""
        self._down = reason
        self._take(lambda message: Outcome(message, Verdict.RELEASED, detail=reason))

    def work(self, backend: SendBackend, *, call_next: Callable[[], None]) -> None:
        """Send until none is left; before the first, let another thread join in if there is more than that one."""
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
        if self._down or time.monotonic() > self._starts_until:
            return Outcome(message, Verdict.RELEASED, detail=self._down)
        outgoing = Outgoing(
            reference=f"{message.broadcast_id}.{message.delivery_id}",
            address=message.address,
            subject=message.subject,
            body=message.body,
            html=message.html,
            link_token=message.link_token,
            list_id=message.list_id,
        )
        try:
            failpoints.reached("send.begun")
            provider_id = backend.send(outgoing)
            failpoints.reached("send.accepted")
            return Outcome(message, Verdict.SENT, provider_id=provider_id)
        except TemporaryFailure as failure:
            return Outcome(message, Verdict.TEMPORARY, detail=str(failure), wait=failure.wait)
        except PermanentFailure as failure:
            return Outcome(message, Verdict.PERMANENT, detail=str(failure), suppress=failure.suppress)
        except RecipientRefused as failure:
            return Outcome(message, Verdict.REFUSED, detail=str(failure), suppress=failure.suppress)
        except ChannelDown as failure:
            self._down = str(failure) or "the provider can't be used"
            return Outcome(message, Verdict.RELEASED, detail=self._down)
        except OutcomeUnknown as failure:
            return Outcome(message, Verdict.UNKNOWN, detail=str(failure))
        except Exception as error:
            # A fault of the backend's: it may have happened before or after the provider took the message.
            logger.exception("Sending delivery %d failed in a way that the backend does not know.", message.delivery_id)
            return Outcome(message, Verdict.UNKNOWN, detail=f"the send backend failed: {type(error).__name__}")
