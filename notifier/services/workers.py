"""The processes' signs of life, so that staff read "no SMS consumer is running" instead of wondering."""

import os
import socket
from datetime import datetime, timedelta
from typing import Any

from notifier.models import Channel, Worker

#: How often a process says that it lives, at least.
BEAT_SECONDS = 2.0
#: A process that was not heard of for so long is forgotten.
FORGET_AFTER = timedelta(hours=1)


def register(*, kind: Worker.Kind, channel: Channel | None, now: datetime) -> int:
    """Enter this process among the workers, and forget those long silent; returns its id."""
    Worker.objects.filter(last_seen_at__lt=now - FORGET_AFTER).delete()
    worker = Worker.objects.create(
        kind=kind,
        channel=channel.value if channel else "",
        host=socket.gethostname(),
        pid=os.getpid(),
        started_at=now,
        last_seen_at=now,
    )
    return int(worker.pk)


def beat(
    *, worker_id: int, state: Worker.State, detail: str, now: datetime, depths: dict[str, int] | None = None
) -> None:
    changes: dict[str, Any] = {"state": state, "detail": detail[:300], "last_seen_at": now}
    if depths is not None:
        changes["depths"] = depths
    Worker.objects.filter(pk=worker_id).update(**changes)


def farewell(*, worker_id: int) -> None:
    Worker.objects.filter(pk=worker_id).delete()
