"""Settling deliveries that a receipt proves to have been taken: no promise is broken by saying so, and one is kept.

UNKNOWN ones, and those that would be tried again although the provider took them at the try before.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from django.db import transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from notifier.models import Broadcast, Delivery, Receipt

State = Delivery.State

#: Early receipts looked at in one transaction.
CHUNK = 1_000

#: Those that are settled by a receipt. One that is SENDING is left to its consumer, or to the sweep: it has a token.
#: After staff chose to send one again, `attempts` is 0, and it is sent.
_PROVABLE = Q(state=State.UNKNOWN) | Q(state__in=[State.PENDING, State.RETRYING], attempts__gt=0)


class _Seen(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def attempts(self) -> int: ...


def may_prove(seen: _Seen) -> bool:
    """Whether a receipt would settle a delivery that is as it was seen."""
    return seen.state == State.UNKNOWN or (seen.state in (State.PENDING, State.RETRYING) and seen.attempts > 0)


def settle(provider_ids: Mapping[int, str], *, provider: str, now: datetime) -> set[int]:
    """Settle these deliveries as SENT, by a receipt of this provider, in the caller's transaction; the ids of those
    that it was true of by then. `provider_ids`: what each is called there.
    """
    if not provider_ids:
        return set()
    locked = Delivery.objects.filter(_PROVABLE, pk__in=provider_ids).order_by("pk").select_for_update()
    found = dict(locked.values_list("pk", "broadcast_id"))
    if not found:
        return set()
    named = [When(pk=pk, then=Value(provider_ids[pk])) for pk in found if provider_ids[pk]]
    Delivery.objects.filter(pk__in=found).update(
        state=State.SENT,
        detail=f"a receipt from {provider} proves that it was taken"[:300],
        due_at=None,
        settled_at=Coalesce("settled_at", Value(now)),
        **({"provider_id": Case(*named, default="provider_id")} if named else {}),
    )
    # As after any late result: the broadcast may have ended, and its last tally is then no longer true.
    for pk in sorted(set(found.values())):
        Broadcast.objects.filter(pk=pk).update(tallied_at=None)
    return set(found)


def settle_early(*, now: datetime) -> int:
    """Look what became of deliveries whose receipts came before they were settled; returns how many are settled now.

    A receipt may come before our own settle, and that may never come: the consumer was killed. Its delivery turns
    UNKNOWN when the lease runs out, and is then proven to be SENT. Each receipt is looked at once after its delivery
    is settled; CHUNK at the most.
    """
    if not _settled_ones().exists():  # without taking SQLite's one write lock
        return 0
    with transaction.atomic():
        rows = _settled_ones().order_by("pk")[:CHUNK].values_list("pk", "provider", "provider_id")
        early = {pk: (provider, provider_id) for pk, provider, provider_id in rows}
        proven: set[int] = set()
        for provider in sorted({provider for provider, _ in early.values()}):
            own = {pk: provider_id for pk, (name, provider_id) in early.items() if name == provider}
            proven |= settle(own, provider=provider, now=now)
        locked = Receipt.objects.filter(pk__in=early).order_by("pk").select_for_update()
        Receipt.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).update(
            is_early=False, is_proof=Case(When(pk__in=proven, then=Value(True)), default="is_proof")
        )
    return len(proven)


def _settled_ones() -> QuerySet[Receipt]:
    """Early receipts whose delivery needs no waiting for any more."""
    delivery = Delivery.objects.filter(pk=OuterRef("pk"))
    return Receipt.objects.filter(Exists(delivery.filter(_PROVABLE | Q(due_at=None))), is_early=True)
