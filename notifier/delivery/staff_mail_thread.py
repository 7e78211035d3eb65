"""The thread of a dispatcher that sends mails to staff: a mail server that answers slowly holds up no ticket."""

import logging
import threading
import time
from datetime import datetime

from django import db
from django.db import connection

from notifier.broadcasts import staff_mails
from notifier.runtime import clock
from notifier.runtime.shutdown import StopFlag

logger = logging.getLogger(__name__)

#: How often the dispatcher looks for mails that are due.
LOOK_SECONDS = 2.0
#: How long a dispatcher that stops waits for a mail that is being sent. The mail is due again afterwards.
PATIENCE_SECONDS = 5.0


class StaffMailThread:
    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._looked_at = float("-inf")

    def start_if_due(self, now: datetime) -> None:
        """Start it where mails are due, unless it still sends earlier ones."""
        if time.monotonic() - self._looked_at < LOOK_SECONDS or (self._thread and self._thread.is_alive()):
            return
        self._looked_at = time.monotonic()
        if staff_mails.due(now).exists():
            self._thread = threading.Thread(target=self._send, name="staff mails", daemon=True)
            self._thread.start()

    def join(self) -> None:
        if self._thread:
            self._thread.join(PATIENCE_SECONDS)

    def _send(self) -> None:
        try:
            if sent := staff_mails.send_due(now=clock.now(), goes_on=lambda: not self._stop.is_set()):
                logger.info("Sent %d mails to staff.", sent)
        except db.Error as error:
            # The dispatcher waits for the database by itself, and then starts this again.
            logger.error("Mails to staff wait for the database: %s", type(error).__name__)
        except Exception:
            logger.exception("Mails to staff failed, and are tried again.")
        finally:
            connection.close()
