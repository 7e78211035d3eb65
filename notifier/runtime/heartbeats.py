"""Heartbeats: each process writes what it does, so that staff can read e.g. "no SMS consumer is running"."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django import db
from django.db import connection

from notifier.models import Channel, Process
from notifier.runtime import clock, foreign_text

logger = logging.getLogger(__name__)

#: A process writes its heartbeat at least this often.
BEAT_SECONDS = 2.0
#: The row of a process without a heartbeat for this long is deleted.
FORGET_AFTER = timedelta(hours=1)
#: How long `kept` vouches for one step. The longest, a count of ten million rows, takes a few seconds.
VOUCHED_SECONDS = 30.0
#: What it says from then on.
HANGS = f"{Process.DATABASE_TROUBLE}: one step has waited for it for more than {VOUCHED_SECONDS:.0f} s."


class Heartbeat:
    """Keeps this process's row up to date. Never raises a database error: that must not stop the work."""

    def __init__(self, *, kind: Process.Kind, channel: Channel | None = None) -> None:
        self._kind = kind
        self._channel = channel
        self._process_id: int | None = None
        self._said: tuple[Any, ...] = ()
        self._beaten_at = -BEAT_SECONDS
        self._went_on_at = 0.0

    def beat(self, state: Process.State, detail: str = "", depths: dict[str, int] | None = None) -> None:
        """Write the state: at once when it begins or stops to wait, otherwise no more often than BEAT_SECONDS.

        A busy consumer changes between idle and working hundreds of times a second, which nobody could read.
        """
        detail = foreign_text.cleaned(detail)  # it may be a provider's
        said = (state == Process.State.WAITING, detail)
        if said == self._said and not self.is_due():
            return
        self._said, self._beaten_at = said, time.monotonic()
        try:
            self._write(state, detail, depths)
        except db.Error as error:
            logger.warning("The heartbeat could not be written: %s", error)

    def is_due(self) -> bool:
        return time.monotonic() - self._beaten_at >= BEAT_SECONDS

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Say that the process lives while a long statement is under way, in which it can't say so itself.

        After VOUCHED_SECONDS in which it did not say that it `goes_on`, it waits for the database.
        """
        self.goes_on()
        is_over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(is_over,), name="heartbeat", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            is_over.set()
            keeper.join(timeout=BEAT_SECONDS)

    def goes_on(self) -> None:
        """Say in `kept` that the next step begins."""
        self._went_on_at = time.monotonic()

    def _keep(self, is_over: threading.Event) -> None:
        is_used = False
        while not is_over.wait(BEAT_SECONDS):
            is_used = True
            try:
                self._vouch()
            except db.Error as error:
                logger.warning("The heartbeat could not be kept: %s", error)
        if is_used:
            connection.close()

    def _vouch(self) -> None:
        if time.monotonic() - self._went_on_at >= VOUCHED_SECONDS:
            self._said = (True, HANGS)  # so that the next beat is written at once
            self._write(Process.State.WAITING, HANGS, None)
        elif self._process_id is None:
            self._write(Process.State.WORKING, "", None)
        else:
            Process.objects.filter(pk=self._process_id).update(last_seen_at=clock.now())

    def stop(self) -> None:
        try:
            if self._process_id is not None:
                Process.objects.filter(pk=self._process_id).delete()
        except db.Error as error:
            logger.warning("The farewell could not be written: %s", error)

    def _write(self, state: Process.State, detail: str, depths: dict[str, int] | None) -> None:
        changes: dict[str, Any] = {"state": state, "detail": detail[:300], "last_seen_at": clock.now()}
        if depths is not None:
            changes["depths"] = depths
        # The row is gone if others took this process for dead, e.g. after a laptop's sleep.
        if self._process_id is None or not Process.objects.filter(pk=self._process_id).update(**changes):
            self._process_id = self._register(changes)

    def _register(self, changes: dict[str, Any]) -> int:
        now = changes["last_seen_at"]
        Process.objects.filter(last_seen_at__lt=now - FORGET_AFTER).delete()
        process = Process.objects.create(
            kind=self._kind,
            channel=self._channel.value if self._channel else "",
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=now,
            **changes,
        )
        return int(process.pk)
