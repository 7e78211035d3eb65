"""One thread of a sender, with the connection that is its own."""

import logging
import threading
import time
from collections.abc import Callable

from consumers.backends.base import OpensFirst, SendBackend
from consumers.window import Flight

logger = logging.getLogger(__name__)


class SenderThread(threading.Thread):
    def __init__(self, number: int, work: "Callable[[SenderThread], None]") -> None:
        super().__init__(name=f"sender {number}", daemon=True)
        self._work = work
        self.backend: SendBackend | None = None
        self.flight: Flight | None = None
        #: Since when its connection is being opened; 0 where it is not.
        self.opens_since = 0.0
        #: Since when its connection is being closed; 0 where it is not.
        self.closes_since = 0.0
        #: Whether the provider answered over its connection lately.
        self.works = False
        #: Others have taken its place: it ends as soon as it can.
        self.is_written_off = False

    def run(self) -> None:
        self._work(self)

    def open(self, get_backend: Callable[[], SendBackend]) -> None:
        """Make the backend, and connect where that comes before a message. Raises whatever the backend does."""
        self.opens_since = time.monotonic()
        try:
            self.backend = self.backend or get_backend()
            if isinstance(self.backend, OpensFirst):
                self.backend.open()
                self.works = True
        finally:
            self.opens_since = 0.0

    def rest(self) -> None:
        """Close the connection; another is opened when it is needed."""
        backend, self.backend, self.works = self.backend, None, False
        self.closes_since = time.monotonic()
        try:
            if backend is not None:
                backend.close()
        except Exception:
            logger.exception("A provider’s connection did not close.")
        finally:
            self.closes_since = 0.0
