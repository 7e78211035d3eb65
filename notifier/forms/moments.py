"""Moments that a page of ours wrote into its form, read when the form comes back."""

from datetime import datetime
from typing import Any

from notifier.wording.wall_clocks import YEARS


def read(text: Any) -> datetime | None:
    """None for anything that `isoformat` of an aware moment of ours did not make."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None and moment.year in YEARS else None
