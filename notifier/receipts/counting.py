"""Counting the receipts of a broadcast for pages to read, while they come in and after its end.

Whoever takes receipts says so in `ReceiptCounts`, at most every `taking.TOLD_EVERY`. A receipt that finds it said
already writes nothing there, and may be committed after a count that did not see it. So counts go on until
`SETTLED_AFTER` has passed since one was last told of: no receipt's transaction takes that long.
"""

import time
from datetime import datetime, timedelta

from django.db.models import Count, Q

from notifier.models import Receipt, ReceiptCounts

#: How long after the last receipt a count is final.
SETTLED_AFTER = timedelta(seconds=30)
COUNT_EVERY = timedelta(seconds=2)
#: Of the time that a count takes: huge broadcasts are counted less often.
SHARE = 0.05
#: Broadcasts counted in one go.
MOST = 20


def count_due(*, now: datetime) -> int:
    """Count the receipts of the broadcasts that are due, a few at a time; returns how many broadcasts those were."""
    due = ReceiptCounts.objects.filter(due_at__lte=now).order_by("due_at")[:MOST]
    return sum(_count(counts, now) for counts in due)


def _count(seen: ReceiptCounts, now: datetime) -> int:
    began = time.monotonic()
    counts: dict[str, dict[str, int]] = {}
    proofs: dict[str, int] = {}
    grouped = Receipt.objects.filter(broadcast=seen.pk).order_by().values_list("channel", "state")
    for channel, state, number, proven in grouped.annotate(
        number=Count("pk"), proven=Count("pk", filter=Q(is_proof=True))
    ):
        counts.setdefault(channel, {})[state] = number
        if proven:
            proofs[channel] = proofs.get(channel, 0) + proven
    took = timedelta(seconds=time.monotonic() - began)
    ReceiptCounts.objects.filter(pk=seen.pk).update(
        counts=counts, proofs=proofs, counted_at=now, due_at=now + max(COUNT_EVERY, took / SHARE)
    )
    if seen.told_at <= now - SETTLED_AFTER:
        # Unless one has come since we looked.
        ReceiptCounts.objects.filter(pk=seen.pk, told_at=seen.told_at).update(due_at=None)
    return 1
