"""The product's own settings, with a machine's clock that jumps when an attack says so: see attacks/clocks.py.

Only where the machine's clock counts, which is with SQLite; with PostgreSQL the database's own is made to jump.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

from django.apps import AppConfig
from django.db import connection

from config.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.product.shifted.ShiftedClock"]  # noqa: F405


class ShiftedClock(AppConfig):
    name = "tests.faults.product.shifted"
    label = "shifted"

    def ready(self) -> None:
        from notifier.runtime import clock

        if connection.vendor == "sqlite":
            # Seconds by which it is ahead. A new file is moved into its place, so nobody reads half a number.
            path, machines = Path(os.environ["CLOCK_SHIFT_FILE"]), clock.now

            def now() -> datetime:
                return machines() + timedelta(seconds=float(path.read_text()))

            clock.now = now
